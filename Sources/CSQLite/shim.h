#pragma once
#include <sqlite3.h>

#ifdef __linux__
#include <linux/stat.h>
#include <sys/syscall.h>
// As <unistd.h> has it. That and <fcntl.h> would make their types, struct stat among them, this module's own in the eyes of
// Swift wherever it reads this one first.
extern long syscall(long number, ...);
#endif

// When a file's inode was made, in nanoseconds since the epoch; 0 where that is not known. Glibc shows statx(2) only under
// _GNU_SOURCE, which Swift does not set.
static inline unsigned long long ck_birth_time(const char *path) {
#if defined(__linux__) && defined(SYS_statx)
    struct statx status = {0};
    if (syscall(SYS_statx, -100 /* AT_FDCWD */, path, 0, STATX_BTIME, &status) != 0 || !(status.stx_mask & STATX_BTIME)) return 0;
    return (unsigned long long)status.stx_btime.tv_sec * 1000000000ull + status.stx_btime.tv_nsec;
#else
    (void)path;
    return 0;
#endif
}
#include <stdint.h>

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

// The log's index, which every process on a file shares, as this connection has it mapped
// (https://www.sqlite.org/walformat.html#the_wal_index_file_format); NULL if there is none or its format is another one.
// Asked of the VFS: to map it by a descriptor of our own would, when that is closed, give up the locks that this process
// holds on the file (fcntl(2)).
static inline const volatile void *ck_log_index(sqlite3 *db) {
    sqlite3_file *file = 0;
    volatile void *index = 0;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file || !file->pMethods
        || file->pMethods->iVersion < 2 || !file->pMethods->xShmMap) return 0;
    // Without the right to extend it: what is not mapped yet is not made here.
    if (file->pMethods->xShmMap(file, 0, 32768, 0, &index) != SQLITE_OK || !index) return 0;
    return *(volatile uint32_t *)index == 3007000 ? index : 0;
}

// What changes in it with every commit, every new beginning of the log, and every checkpoint.
typedef struct {
    uint64_t commits, frames, checksum, salts;
    uint32_t checkpointed;
} ck_log_mark;

// Atomic loads, which Swift has only for variables of its own: other processes store here at any time.
static inline ck_log_mark ck_log_mark_read(const volatile void *index) {
    const volatile char *start = (const volatile char *)index;
    ck_log_mark mark = {
        __atomic_load_n((const volatile uint64_t *)(start + 8), __ATOMIC_RELAXED),
        __atomic_load_n((const volatile uint64_t *)(start + 16), __ATOMIC_RELAXED),
        __atomic_load_n((const volatile uint64_t *)(start + 24), __ATOMIC_RELAXED),
        __atomic_load_n((const volatile uint64_t *)(start + 32), __ATOMIC_RELAXED),
        __atomic_load_n((const volatile uint32_t *)(start + 96), __ATOMIC_RELAXED)};
    // What is read from the file afterwards is not older than the mark.
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return mark;
}

static inline int ck_log_mark_equal(ck_log_mark left, ck_log_mark right) {
    return left.commits == right.commits && left.frames == right.frames && left.checksum == right.checksum
        && left.salts == right.salts && left.checkpointed == right.checkpointed;
}
