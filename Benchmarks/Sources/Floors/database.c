#include "floors.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct floor_database {
    sqlite3 *handle;
    sqlite3_stmt *begin, *commit, *put, *get;
};

static int prepare(floor_database *database, const char *sql, sqlite3_stmt **statement) {
    return sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK;
}

static int step(sqlite3_stmt *statement) {
    int done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return done;
}

floor_database *floor_database_open(const char *path) {
    floor_database *database = calloc(1, sizeof *database);
    if (!database) return NULL;
    const char *setup =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, value BLOB NOT NULL)";
    if (sqlite3_open(path, &database->handle) == SQLITE_OK
        && sqlite3_exec(database->handle, setup, NULL, NULL, NULL) == SQLITE_OK
        && prepare(database, "BEGIN IMMEDIATE", &database->begin) && prepare(database, "COMMIT", &database->commit)
        && prepare(
            database, "INSERT INTO rows VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE SET value = excluded.value",
            &database->put)
        && prepare(database, "SELECT value FROM rows WHERE id = ?1", &database->get)) return database;
    floor_database_close(database);
    return NULL;
}

void floor_database_close(floor_database *database) {
    sqlite3_finalize(database->begin);
    sqlite3_finalize(database->commit);
    sqlite3_finalize(database->put);
    sqlite3_finalize(database->get);
    sqlite3_close(database->handle);
    free(database);
}

int floor_database_begin(floor_database *database) { return step(database->begin); }

int floor_database_commit(floor_database *database) { return step(database->commit); }

int floor_database_put(floor_database *database, int64_t id, const void *value, size_t count) {
    return sqlite3_bind_int64(database->put, 1, id) == SQLITE_OK
        && sqlite3_bind_blob(database->put, 2, value, (int)count, SQLITE_STATIC) == SQLITE_OK && step(database->put);
}

int floor_database_checkpoint(floor_database *database) {
    return sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
}

int64_t floor_database_get(floor_database *database, int64_t id) {
    int64_t count = -1;
    if (sqlite3_bind_int64(database->get, 1, id) == SQLITE_OK && sqlite3_step(database->get) == SQLITE_ROW) {
        const void *value = sqlite3_column_blob(database->get, 0);
        count = sqlite3_column_bytes(database->get, 0);
        void *copy = malloc(count ? (size_t)count : 1);
        if (!copy) return -1;
        memcpy(copy, value, (size_t)count);
        // Keeps the compiler from dropping the copy.
        __asm__ volatile("" : : "r"(copy) : "memory");
        free(copy);
    }
    sqlite3_reset(database->get);
    return count;
}
