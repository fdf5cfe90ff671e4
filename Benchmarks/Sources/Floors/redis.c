#include "floors.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct floor_redis {
    redisContext *context;
};

static floor_redis *wrap(redisContext *context) {
    floor_redis *redis = calloc(1, sizeof *redis);
    if (!redis) return NULL;
    redis->context = context;
    if (context && !context->err) return redis;
    floor_redis_close(redis);
    return NULL;
}

floor_redis *floor_redis_connect(const char *path) { return wrap(redisConnectUnix(path)); }

floor_redis *floor_redis_connect_tcp(int port) { return wrap(redisConnect("127.0.0.1", port)); }

void floor_redis_close(floor_redis *redis) {
    if (redis->context) redisFree(redis->context);
    free(redis);
}

int floor_redis_append_set(
    floor_redis *redis, const void *key, size_t key_count, const void *value, size_t count, int64_t milliseconds) {
    char expiry[24];
    int expiry_count = snprintf(expiry, sizeof expiry, "%lld", (long long)milliseconds);
    const char *arguments[] = {"SET", key, value, "PX", expiry};
    const size_t counts[] = {3, key_count, count, 2, (size_t)expiry_count};
    return redisAppendCommandArgv(redis->context, 5, arguments, counts) == REDIS_OK;
}

int floor_redis_replies(floor_redis *redis, size_t count) {
    for (size_t index = 0; index < count; index++) {
        redisReply *reply = NULL;
        if (redisGetReply(redis->context, (void **)&reply) != REDIS_OK) return 0;
        int ok = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
        freeReplyObject(reply);
        if (!ok) return 0;
    }
    return 1;
}

int floor_redis_append_get(floor_redis *redis, const void *key, size_t key_count) {
    const char *arguments[] = {"GET", key};
    const size_t counts[] = {3, key_count};
    return redisAppendCommandArgv(redis->context, 2, arguments, counts) == REDIS_OK;
}

int floor_redis_values(floor_redis *redis, size_t count, size_t value_count) {
    for (size_t index = 0; index < count; index++) {
        redisReply *reply = NULL;
        if (redisGetReply(redis->context, (void **)&reply) != REDIS_OK) return 0;
        int ok = reply->type == REDIS_REPLY_STRING && (size_t)reply->len == value_count;
        freeReplyObject(reply);
        if (!ok) return 0;
    }
    return 1;
}

int floor_redis_found(floor_redis *redis) {
    redisReply *reply = NULL;
    if (redisGetReply(redis->context, (void **)&reply) != REDIS_OK) return -1;
    int found = reply->type == REDIS_REPLY_STRING ? 1 : reply->type == REDIS_REPLY_NIL ? 0 : -1;
    freeReplyObject(reply);
    return found;
}

int64_t floor_redis_scan(floor_redis *redis, int count) {
    char cursor[24] = "0";
    int64_t keys = 0;
    do {
        redisReply *reply = redisCommand(redis->context, "SCAN %s COUNT %d", cursor, count);
        int ok = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
            && (size_t)reply->element[0]->len < sizeof cursor;
        if (ok) {
            memcpy(cursor, reply->element[0]->str, (size_t)reply->element[0]->len + 1);
            keys += (int64_t)reply->element[1]->elements;
        }
        if (reply) freeReplyObject(reply);
        if (!ok) return -1;
    } while (strcmp(cursor, "0") != 0);
    return keys;
}
