#pragma once
#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast of -1 to a function pointer, which Swift does not import.
static inline int ck_bind_blob_transient(sqlite3_stmt *stmt, int index, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(stmt, index, bytes, count, SQLITE_TRANSIENT);
}

// SQLITE_STATIC likewise; for blobs that outlive the step.
static inline int ck_bind_blob_static(sqlite3_stmt *stmt, int index, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(stmt, index, bytes, count, SQLITE_STATIC);
}

static inline int ck_bind_text_transient(sqlite3_stmt *stmt, int index, const char *bytes, int count) {
    return sqlite3_bind_text(stmt, index, bytes, count, SQLITE_TRANSIENT);
}

// sqlite3_db_config is variadic, which Swift does not import.
static inline int ck_db_config_flag(sqlite3 *db, int op, int onoff) {
    return sqlite3_db_config(db, op, onoff, (int *)0);
}
