#pragma once
#include <stddef.h>
#include <stdint.h>

// The least that each job can cost: the C libraries called directly, with handles and buffers kept between calls.
// Functions that can fail return 0 then, unless they say otherwise.

// AES-256-GCM with a kept context per direction. Sealed form: nonce(12) || ciphertext || tag(16).
typedef struct floor_cipher floor_cipher;
floor_cipher *floor_cipher_new(const uint8_t *key);
void floor_cipher_free(floor_cipher *cipher);
int floor_seal(floor_cipher *cipher, const void *aad, size_t aad_count, const void *plain, size_t count, void *sealed);
int floor_open(floor_cipher *cipher, const void *aad, size_t aad_count, const void *sealed, size_t count, void *plain);
// Opens into memory allocated for this call and freed again.
int floor_open_fresh(floor_cipher *cipher, const void *aad, size_t aad_count, const void *sealed, size_t count);

// LZ4 and XXH3-64 of the original, out; the count of compressed bytes. And back: 1 if the hash is right.
size_t floor_compress(const void *bytes, size_t count, void *block, size_t capacity, uint64_t *hash);
int floor_decompress(const void *block, size_t block_count, void *bytes, size_t count, uint64_t hash);

// One table `rows(id INTEGER PRIMARY KEY, key BLOB UNIQUE, value BLOB)` under the pragmas of the store, statements kept. A
// put outside begin and commit commits by itself. `checkpoint_pages` is wal_autocheckpoint; 0 for none. Keys have 32 bytes.
typedef struct floor_rows floor_rows;
floor_rows *floor_rows_open(const char *path, int is_full, int checkpoint_pages);
void floor_rows_close(floor_rows *rows);
int floor_rows_begin(floor_rows *rows);
int floor_rows_put(floor_rows *rows, const void *key, const void *value, size_t count);
int floor_rows_commit(floor_rows *rows);
// Copies a value; its length, 0 if there is no row, -1 on failure.
int64_t floor_rows_get(floor_rows *rows, const void *key, void *value, size_t capacity);

// A connection of its own to a database in use, which moves its log into the database, waiting for whoever does so already,
// and leaves the log's file as long as it is.
typedef struct floor_log floor_log;
floor_log *floor_log_open(const char *path);
void floor_log_close(floor_log *log);
int floor_log_move(floor_log *log);

// From now on every sync of a database that is opened, by whomever in this process, takes so much longer; 0 ends it.
int floor_disk_slow_syncs(long microseconds);

// A blocking hiredis connection over a unix socket or to a loopback port.
typedef struct floor_redis floor_redis;
floor_redis *floor_redis_connect(const char *path);
floor_redis *floor_redis_connect_tcp(int port);
void floor_redis_close(floor_redis *redis);
// Appends `SET key value PX milliseconds` to the pipeline.
int floor_redis_append_set(
    floor_redis *redis, const void *key, size_t key_count, const void *value, size_t count, int64_t milliseconds);
// Sends the pipeline and reads that many replies, all of which must be `OK`.
int floor_redis_replies(floor_redis *redis, size_t count);
// Appends `GET key` to the pipeline.
int floor_redis_append_get(floor_redis *redis, const void *key, size_t key_count);
// Sends the pipeline and reads that many replies, all of which must be strings of that length; each is allocated and freed.
int floor_redis_values(floor_redis *redis, size_t count, size_t value_count);
// Sends the pipeline and reads one reply to `GET`: 1 for a value, 0 for none, -1 on failure.
int floor_redis_found(floor_redis *redis);
// Walks all keys by `SCAN` with that `COUNT`; how many it was told of, -1 on failure.
int64_t floor_redis_scan(floor_redis *redis, int count);

// Gives what the allocator keeps of freed memory back to the system, where it can.
void floor_memory_give_back(void);
