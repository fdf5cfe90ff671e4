#include "faultvfs.h"

#include <string.h>

static ck_fault_file *self(sqlite3_file *file) { return (ck_fault_file *)file; }
static sqlite3_file *real(sqlite3_file *file) { return self(file)->real; }
static int is_cut(sqlite3_file *file) { return atomic_load(&self(file)->vfs->is_cut); }

static int close_file(sqlite3_file *file) {
    int result = real(file)->pMethods->xClose(real(file));
    file->pMethods = NULL;
    return result;
}

static int read_file(sqlite3_file *file, void *buffer, int count, sqlite3_int64 offset) {
    if (is_cut(file)) return SQLITE_IOERR_READ;
    return real(file)->pMethods->xRead(real(file), buffer, count, offset);
}

// Notes what sectors hold that are about to change.
static int note(ck_fault_file *file, int64_t start, int64_t end) {
    if (!file->tracked) return SQLITE_OK;
    unsigned char before[CK_SECTOR];
    for (int64_t sector = start / CK_SECTOR; sector * CK_SECTOR < end; sector++) {
        int result = file->real->pMethods->xRead(file->real, before, CK_SECTOR, sector * CK_SECTOR);
        if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ) return result;
        if (!ck_unsynced_add(&file->tracked->unsynced, (uint64_t)sector, before)) return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static int write_noted(ck_fault_file *file, const void *buffer, int count, sqlite3_int64 offset) {
    int result = note(file, offset, offset + count);
    return result == SQLITE_OK ? file->real->pMethods->xWrite(file->real, buffer, count, offset) : result;
}

static int write_file(sqlite3_file *file, const void *buffer, int count, sqlite3_int64 offset) {
    ck_fault_vfs *vfs = self(file)->vfs;
    pthread_mutex_lock(&vfs->mutex);
    int cuts = 0;
    int result = ck_fault_begin(vfs, CK_FAULT_WRITE, 1, &cuts);
    if (cuts) {
        // The header of a log lies within a sector, and a disk writes that whole.
        int is_log_header = count == 32 && offset == 0;
        ck_tracked *tracked = self(file)->tracked;
        if (tracked && !is_log_header) vfs->last_write = (ck_last_write){tracked, tracked->unsynced.count};
        write_noted(self(file), buffer, count, offset);
    } else if (result == SQLITE_OK) {
        result = write_noted(self(file), buffer, count, offset);
    } else if ((result & 0xff) == SQLITE_FULL) {
        // Half of what lies behind the file's end; where blocks are there already, nothing is lacking.
        sqlite3_int64 size = 0;
        if (real(file)->pMethods->xFileSize(real(file), &size) == SQLITE_OK && offset >= size)
            write_noted(self(file), buffer, count / 2, offset);
    }
    pthread_mutex_unlock(&vfs->mutex);
    return result;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    ck_fault_vfs *vfs = self(file)->vfs;
    ck_tracked *tracked = self(file)->tracked;
    pthread_mutex_lock(&vfs->mutex);
    int cuts = 0;
    int result = ck_fault_begin(vfs, CK_FAULT_TRUNCATE, 1, &cuts);
    if (result == SQLITE_OK && tracked) {
        sqlite3_int64 before = 0;
        result = real(file)->pMethods->xFileSize(real(file), &before);
        if (result == SQLITE_OK && size < before) result = note(self(file), size, before);
        if (result == SQLITE_OK && size < tracked->low_size) tracked->low_size = size;
        tracked->truncated_after = tracked->unsynced.count;
    }
    if (result == SQLITE_OK) result = real(file)->pMethods->xTruncate(real(file), size);
    pthread_mutex_unlock(&vfs->mutex);
    return result;
}

static int sync_file(sqlite3_file *file, int flags) {
    ck_fault_vfs *vfs = self(file)->vfs;
    ck_tracked *tracked = self(file)->tracked;
    pthread_mutex_lock(&vfs->mutex);
    int cuts = 0;
    int result = ck_fault_begin(vfs, CK_FAULT_SYNC, 1, &cuts);
    if (result != SQLITE_OK) {
        if (!cuts && tracked) ck_unsynced_stick(&tracked->unsynced);
    } else {
        result = real(file)->pMethods->xSync(real(file), flags);
        if (result == SQLITE_OK && tracked) {
            sqlite3_int64 size = 0;
            real(file)->pMethods->xFileSize(real(file), &size);
            ck_unsynced_synced(&tracked->unsynced, (uint64_t)size);
            tracked->durable_size = size;
            tracked->low_size = INT64_MAX;
            tracked->truncated_after = 0;
            // With a new log or journal SQLite syncs the folder too, and so every name in it.
            if (!tracked->has_durable_name)
                for (ck_tracked *other = vfs->files; other; other = other->next) {
                    if (other->is_deleted) ck_tracked_reset(other, 0, 0);
                    other->has_durable_name = 1;
                }
        }
    }
    pthread_mutex_unlock(&vfs->mutex);
    return result;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return is_cut(file) ? SQLITE_IOERR_FSTAT : real(file)->pMethods->xFileSize(real(file), size);
}

static int lock_file(sqlite3_file *file, int level) {
    return is_cut(file) ? SQLITE_IOERR_LOCK : real(file)->pMethods->xLock(real(file), level);
}

static int unlock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }

static int check_reserved_lock(sqlite3_file *file, int *is_held) {
    return is_cut(file) ? SQLITE_IOERR_CHECKRESERVEDLOCK : real(file)->pMethods->xCheckReservedLock(real(file), is_held);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    return is_cut(file) ? SQLITE_IOERR : real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }

static int device_characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }

static int shm_map(sqlite3_file *file, int region, int size, int extends, void volatile **memory) {
    if (is_cut(file)) return SQLITE_IOERR_SHMMAP;
    if (extends) {
        ck_fault_vfs *vfs = self(file)->vfs;
        pthread_mutex_lock(&vfs->mutex);
        int cuts = 0;
        // What lies there does not outlive a power cut.
        int result = ck_fault_begin(vfs, CK_FAULT_MAP, 0, &cuts);
        pthread_mutex_unlock(&vfs->mutex);
        if (result != SQLITE_OK) return result;
    }
    return real(file)->pMethods->xShmMap(real(file), region, size, extends, memory);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    if (is_cut(file) && flags & SQLITE_SHM_LOCK) return SQLITE_IOERR_SHMLOCK;
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }

static int shm_unmap(sqlite3_file *file, int deletes) {
    return real(file)->pMethods->xShmUnmap(real(file), deletes && !is_cut(file));
}

// Version 2: with shared memory, without mapping the file itself, which would pass the writes by.
const sqlite3_io_methods ck_fault_io_methods = {
    2, close_file, read_file, write_file, truncate_file, sync_file, file_size, lock_file, unlock_file,
    check_reserved_lock, file_control, sector_size, device_characteristics, shm_map, shm_lock, shm_barrier, shm_unmap,
};
