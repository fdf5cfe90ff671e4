#pragma once
#include <stdint.h>

// A SQLite VFS for tests (https://www.sqlite.org/vfs.html): passes every call on to the system's own, and fails calls or
// cuts the power on demand. Each has a name of its own, so that tests do not meet. Every function is safe from any thread.
typedef struct ck_fault_vfs ck_fault_vfs;

typedef enum {
    CK_FAULT_WRITE,
    CK_FAULT_SYNC,
    CK_FAULT_TRUNCATE,
    CK_FAULT_OPEN,
    // Making room in shared memory.
    CK_FAULT_MAP,
} ck_fault_kind;

// Registers a VFS; NULL without memory.
ck_fault_vfs *ck_fault_vfs_new(const char *name);
// No connection may be left.
void ck_fault_vfs_free(ck_fault_vfs *vfs);

// Calls so far that change something on the disk: writes, syncs, truncations, deletions, files created.
uint64_t ck_fault_vfs_changes(ck_fault_vfs *vfs);
// Calls so far of one kind.
uint64_t ck_fault_vfs_calls(ck_fault_vfs *vfs, ck_fault_kind kind);

// Fails the n-th call of a kind from now on (from 1), or that one and each one after it until cleared. A write behind
// the file's end for which there is no space puts half of its bytes down, as the system does.
void ck_fault_vfs_fail(ck_fault_vfs *vfs, ck_fault_kind kind, uint64_t ordinal, int result, int persists);
void ck_fault_vfs_clear(ck_fault_vfs *vfs);
// How many calls were failed since the last ck_fault_vfs_fail.
uint64_t ck_fault_vfs_failures(ck_fault_vfs *vfs);

// Cuts the power at the n-th change from now on (from 1): that call and every later one fail.
void ck_fault_vfs_cut_at(ck_fault_vfs *vfs, uint64_t ordinal);
int ck_fault_vfs_is_cut(ck_fault_vfs *vfs);
// Makes the files what the cut may have left of them, by the seed; once every connection is closed. Without a cut, cuts now.
// Then the power is back. 0, or an errno.
int ck_fault_vfs_rebuild(ck_fault_vfs *vfs, uint64_t seed);
