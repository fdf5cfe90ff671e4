#pragma once
#include "include/cfaultvfs.h"
#include "tracked.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum { CK_FAULT_KINDS = 5 };

struct ck_fault_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    // Held over every call that changes the disk, so that the cut falls between two of them.
    pthread_mutex_t mutex;
    ck_tracked *files;
    uint64_t changes, calls[CK_FAULT_KINDS];
    uint64_t cut_in;
    ck_last_write last_write;
    atomic_int is_cut;
    ck_fault_kind failing;
    uint64_t fail_in, failures;
    int fail_result, fail_persists;
};

typedef struct {
    sqlite3_file base;
    ck_fault_vfs *vfs;
    // NULL for a file without a name.
    ck_tracked *tracked;
    // The real one lies behind it.
    sqlite3_file *real;
} ck_fault_file;

extern const sqlite3_io_methods ck_fault_io_methods;

// For calls with the mutex held: what one is to be answered with instead of being done; SQLITE_OK for nothing. A cut that
// falls on it says so in `cuts`, for a write to be done as the last.
int ck_fault_begin(ck_fault_vfs *vfs, ck_fault_kind kind, int changes, int *cuts);
