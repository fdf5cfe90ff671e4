#include "floors.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct floor_writes {
    sqlite3 *handle;
    sqlite3_stmt *begin, *commit, *put;
};

static int prepare(floor_writes *writes, const char *sql, sqlite3_stmt **statement) {
    return sqlite3_prepare_v3(writes->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK;
}

static int step(sqlite3_stmt *statement) {
    int done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return done;
}

floor_writes *floor_writes_open(const char *path, int is_full, int checkpoint_pages) {
    floor_writes *writes = calloc(1, sizeof *writes);
    if (!writes) return NULL;
    char setup[512];
    snprintf(
        setup, sizeof setup,
        "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
        "PRAGMA wal_autocheckpoint=%d; PRAGMA secure_delete=ON; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
        "CREATE TABLE rows(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
        is_full ? "FULL" : "NORMAL", checkpoint_pages);
    if (sqlite3_open_v2(
            path, &writes->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
            == SQLITE_OK
        && sqlite3_exec(writes->handle, setup, NULL, NULL, NULL) == SQLITE_OK
        && prepare(writes, "BEGIN IMMEDIATE", &writes->begin) && prepare(writes, "COMMIT", &writes->commit)
        && prepare(
            writes,
            "INSERT INTO rows(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            &writes->put)) return writes;
    floor_writes_close(writes);
    return NULL;
}

void floor_writes_close(floor_writes *writes) {
    sqlite3_finalize(writes->begin);
    sqlite3_finalize(writes->commit);
    sqlite3_finalize(writes->put);
    sqlite3_close(writes->handle);
    free(writes);
}

int floor_writes_begin(floor_writes *writes) { return step(writes->begin); }

int floor_writes_commit(floor_writes *writes) { return step(writes->commit); }

int floor_writes_put(floor_writes *writes, const void *key, const void *value, size_t count) {
    return sqlite3_bind_blob(writes->put, 1, key, 32, SQLITE_STATIC) == SQLITE_OK
        && sqlite3_bind_blob(writes->put, 2, value, (int)count, SQLITE_STATIC) == SQLITE_OK && step(writes->put);
}

int floor_writes_checkpoint(floor_writes *writes) {
    return sqlite3_wal_checkpoint_v2(writes->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK;
}
