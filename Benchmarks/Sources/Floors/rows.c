#include "floors.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct floor_rows {
    sqlite3 *handle;
    sqlite3_stmt *begin, *commit, *put, *get;
};

static int prepare(floor_rows *rows, const char *sql, sqlite3_stmt **statement) {
    return sqlite3_prepare_v3(rows->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK;
}

static int step(sqlite3_stmt *statement) {
    int done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return done;
}

floor_rows *floor_rows_open(const char *path, int is_full, int checkpoint_pages) {
    floor_rows *rows = calloc(1, sizeof *rows);
    if (!rows) return NULL;
    char setup[512];
    snprintf(
        setup, sizeof setup,
        "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
        "PRAGMA wal_autocheckpoint=%d; PRAGMA secure_delete=ON; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
        "CREATE TABLE rows(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
        is_full ? "FULL" : "NORMAL", checkpoint_pages);
    if (sqlite3_open_v2(
            path, &rows->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
            == SQLITE_OK
        && sqlite3_exec(rows->handle, setup, NULL, NULL, NULL) == SQLITE_OK
        && prepare(rows, "BEGIN IMMEDIATE", &rows->begin) && prepare(rows, "COMMIT", &rows->commit)
        && prepare(
            rows,
            "INSERT INTO rows(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            &rows->put)
        && prepare(rows, "SELECT value FROM rows WHERE key = ?1", &rows->get)) return rows;
    floor_rows_close(rows);
    return NULL;
}

void floor_rows_close(floor_rows *rows) {
    sqlite3_finalize(rows->begin);
    sqlite3_finalize(rows->commit);
    sqlite3_finalize(rows->put);
    sqlite3_finalize(rows->get);
    sqlite3_close(rows->handle);
    free(rows);
}

int floor_rows_begin(floor_rows *rows) { return step(rows->begin); }

int floor_rows_commit(floor_rows *rows) { return step(rows->commit); }

int floor_rows_put(floor_rows *rows, const void *key, const void *value, size_t count) {
    return sqlite3_bind_blob(rows->put, 1, key, 32, SQLITE_STATIC) == SQLITE_OK
        && sqlite3_bind_blob(rows->put, 2, value, (int)count, SQLITE_STATIC) == SQLITE_OK && step(rows->put);
}

int64_t floor_rows_get(floor_rows *rows, const void *key, void *value, size_t capacity) {
    int64_t count = -1;
    if (sqlite3_bind_blob(rows->get, 1, key, 32, SQLITE_STATIC) == SQLITE_OK) {
        int result = sqlite3_step(rows->get);
        if (result == SQLITE_DONE) count = 0;
        if (result == SQLITE_ROW) {
            const void *found = sqlite3_column_blob(rows->get, 0);
            count = sqlite3_column_bytes(rows->get, 0);
            if ((size_t)count > capacity) count = -1;
            else memcpy(value, found, (size_t)count);
        }
    }
    // Autocommit: this ends the read transaction.
    sqlite3_reset(rows->get);
    return count;
}

struct floor_log {
    sqlite3 *handle;
};

floor_log *floor_log_open(const char *path) {
    floor_log *log = calloc(1, sizeof *log);
    if (!log) return NULL;
    if (sqlite3_open_v2(path, &log->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK
        && sqlite3_exec(log->handle, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK) return log;
    floor_log_close(log);
    return NULL;
}

void floor_log_close(floor_log *log) {
    sqlite3_close(log->handle);
    free(log);
}

int floor_log_move(floor_log *log) {
    int frames, moved, result;
    // Busy while the file's owner moves its log itself: that is part of the same work.
    do result = sqlite3_wal_checkpoint_v2(log->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
    while (result == SQLITE_BUSY || (result == SQLITE_OK && moved < frames));
    return result == SQLITE_OK;
}
