#include "floors.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

// SQLite's own VFS with a sync that takes longer. Its methods are copied, so that everything else is as it was.

static atomic_long delay_microseconds;
static sqlite3_vfs slow;
static sqlite3_vfs *real;

static struct {
    const sqlite3_io_methods *real;
    sqlite3_io_methods slow;
} kinds[8];

static int sync_slowly(sqlite3_file *file, int flags) {
    long delay = atomic_load(&delay_microseconds);
    struct timespec time = {delay / 1000000, delay % 1000000 * 1000};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file->pMethods == &kinds[i].slow) {
            int result = kinds[i].real->xSync(file, flags);
            if (delay) nanosleep(&time, NULL);
            return result;
        }
    return SQLITE_IOERR_FSYNC;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    int result = real->xOpen(real, name, file, flags, out);
    if (result != SQLITE_OK || !file->pMethods) return result;
    static atomic_flag lock = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&lock)) {}
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i].real) {
            kinds[i].real = file->pMethods;
            kinds[i].slow = *file->pMethods;
            kinds[i].slow.xSync = sync_slowly;
        }
        if (kinds[i].real == file->pMethods) {
            file->pMethods = &kinds[i].slow;
            break;
        }
    }
    atomic_flag_clear(&lock);
    return result;
}

int floor_disk_slow_syncs(long microseconds) {
    atomic_store(&delay_microseconds, microseconds);
    if (real) return 1;
    if (!(real = sqlite3_vfs_find(NULL))) return 0;
    slow = *real;
    slow.zName = "slow-sync";
    slow.xOpen = open_file;
    return sqlite3_vfs_register(&slow, 1) == SQLITE_OK;
}
