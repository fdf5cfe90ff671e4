#include "faultvfs.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ck_fault_vfs *self(sqlite3_vfs *vfs) { return vfs->pAppData; }
static sqlite3_vfs *real(sqlite3_vfs *vfs) { return self(vfs)->real; }

int ck_fault_begin(ck_fault_vfs *vfs, ck_fault_kind kind, int changes, int *cuts) {
    static const int after_cut[CK_FAULT_KINDS] = {
        SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE, SQLITE_CANTOPEN, SQLITE_IOERR_SHMMAP};
    if (atomic_load(&vfs->is_cut)) return after_cut[kind];
    vfs->calls[kind]++;
    if (changes) {
        vfs->changes++;
        if (vfs->cut_in && !--vfs->cut_in) {
            *cuts = 1;
            atomic_store(&vfs->is_cut, 1);
            return after_cut[kind];
        }
    }
    if (vfs->fail_result != SQLITE_OK && vfs->failing == kind) {
        if (vfs->fail_in) vfs->fail_in--;
        int fails = !vfs->fail_in && (vfs->fail_persists || !vfs->failures);
        if (fails) {
            vfs->failures++;
            return vfs->fail_result;
        }
    }
    return SQLITE_OK;
}

static ck_tracked *find(ck_fault_vfs *vfs, const char *path) {
    for (ck_tracked *file = vfs->files; file; file = file->next)
        if (!strcmp(file->path, path)) return file;
    return NULL;
}

static ck_tracked *track(ck_fault_vfs *vfs, const char *path, const struct stat *existing) {
    ck_tracked *file = find(vfs, path);
    if (file && existing && !file->is_deleted) return file;
    if (!file) {
        file = calloc(1, sizeof *file);
        if (!file || !(file->path = strdup(path))) {
            free(file);
            return NULL;
        }
        file->next = vfs->files;
        vfs->files = file;
    }
    ck_tracked_reset(file, existing ? existing->st_size : 0, existing != NULL);
    return file;
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    ck_fault_file *opened = (ck_fault_file *)file;
    memset(opened, 0, sizeof *opened);
    opened->vfs = self(vfs);
    opened->real = (sqlite3_file *)(opened + 1);
    memset(opened->real, 0, (size_t)real(vfs)->szOsFile);
    pthread_mutex_lock(&opened->vfs->mutex);
    struct stat status;
    int exists = path && !stat(path, &status);
    int cuts = 0;
    int result = ck_fault_begin(opened->vfs, CK_FAULT_OPEN, path && !exists && flags & SQLITE_OPEN_CREATE, &cuts);
    if (result == SQLITE_OK) {
        result = real(vfs)->xOpen(real(vfs), path, opened->real, flags, out_flags);
        if (result == SQLITE_OK && path && !(opened->tracked = track(opened->vfs, path, exists ? &status : NULL)))
            result = SQLITE_NOMEM;
    }
    pthread_mutex_unlock(&opened->vfs->mutex);
    if (result == SQLITE_OK) {
        file->pMethods = &ck_fault_io_methods;
    } else if (opened->real->pMethods) {
        opened->real->pMethods->xClose(opened->real);
    }
    return result;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int syncs_folder) {
    ck_fault_vfs *own = self(vfs);
    pthread_mutex_lock(&own->mutex);
    int cuts = 0;
    // Of no kind that is failed, but a change.
    int result = SQLITE_OK;
    if (atomic_load(&own->is_cut)) result = SQLITE_IOERR_DELETE;
    own->changes++;
    if (own->cut_in && !--own->cut_in) cuts = 1;
    if (cuts) {
        atomic_store(&own->is_cut, 1);
        result = SQLITE_IOERR_DELETE;
    }
    ck_tracked *file = find(own, path);
    if (result == SQLITE_OK && file) {
        if (syncs_folder || !file->has_durable_name) ck_tracked_reset(file, 0, 0);
        else ck_tracked_keep_ghost(file);
    }
    if (result == SQLITE_OK) result = real(vfs)->xDelete(real(vfs), path, syncs_folder);
    pthread_mutex_unlock(&own->mutex);
    return result;
}

static int access_file(sqlite3_vfs *vfs, const char *path, int flags, int *is_allowed) {
    if (atomic_load(&self(vfs)->is_cut)) return SQLITE_IOERR_ACCESS;
    return real(vfs)->xAccess(real(vfs), path, flags, is_allowed);
}

static int full_path(sqlite3_vfs *vfs, const char *path, int count, char *out) {
    return real(vfs)->xFullPathname(real(vfs), path, count, out);
}
static int randomness(sqlite3_vfs *vfs, int count, char *out) { return real(vfs)->xRandomness(real(vfs), count, out); }
static int pause_for(sqlite3_vfs *vfs, int microseconds) { return real(vfs)->xSleep(real(vfs), microseconds); }
static int current_time(sqlite3_vfs *vfs, double *time) { return real(vfs)->xCurrentTime(real(vfs), time); }
static int last_error(sqlite3_vfs *vfs, int count, char *out) { return real(vfs)->xGetLastError(real(vfs), count, out); }
static int current_time_64(sqlite3_vfs *vfs, sqlite3_int64 *time) {
    return real(vfs)->xCurrentTimeInt64(real(vfs), time);
}

ck_fault_vfs *ck_fault_vfs_new(const char *name) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    ck_fault_vfs *vfs = calloc(1, sizeof *vfs);
    char *copy = strdup(name);
    if (!real || !vfs || !copy || pthread_mutex_init(&vfs->mutex, NULL)) {
        free(vfs);
        free(copy);
        return NULL;
    }
    vfs->real = real;
    vfs->base = (sqlite3_vfs){
        .iVersion = 2, .szOsFile = (int)sizeof(ck_fault_file) + real->szOsFile, .mxPathname = real->mxPathname,
        .zName = copy, .pAppData = vfs, .xOpen = open_file, .xDelete = delete_file, .xAccess = access_file,
        .xFullPathname = full_path, .xRandomness = randomness, .xSleep = pause_for, .xCurrentTime = current_time,
        .xGetLastError = last_error, .xCurrentTimeInt64 = current_time_64};
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        free(vfs);
        free(copy);
        return NULL;
    }
    return vfs;
}

static void forget(ck_fault_vfs *vfs) {
    while (vfs->files) {
        ck_tracked *file = vfs->files;
        vfs->files = file->next;
        ck_tracked_reset(file, 0, 0);
        free(file->path);
        free(file);
    }
    vfs->last_write = (ck_last_write){0};
}

void ck_fault_vfs_free(ck_fault_vfs *vfs) {
    sqlite3_vfs_unregister(&vfs->base);
    forget(vfs);
    pthread_mutex_destroy(&vfs->mutex);
    free((char *)vfs->base.zName);
    free(vfs);
}

uint64_t ck_fault_vfs_changes(ck_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    uint64_t changes = vfs->changes;
    pthread_mutex_unlock(&vfs->mutex);
    return changes;
}

uint64_t ck_fault_vfs_calls(ck_fault_vfs *vfs, ck_fault_kind kind) {
    pthread_mutex_lock(&vfs->mutex);
    uint64_t calls = vfs->calls[kind];
    pthread_mutex_unlock(&vfs->mutex);
    return calls;
}

void ck_fault_vfs_fail(ck_fault_vfs *vfs, ck_fault_kind kind, uint64_t ordinal, int result, int persists) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->failing = kind;
    vfs->fail_in = ordinal;
    vfs->fail_result = result;
    vfs->fail_persists = persists;
    vfs->failures = 0;
    pthread_mutex_unlock(&vfs->mutex);
}

void ck_fault_vfs_clear(ck_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->fail_result = SQLITE_OK;
    pthread_mutex_unlock(&vfs->mutex);
}

uint64_t ck_fault_vfs_failures(ck_fault_vfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    uint64_t failures = vfs->failures;
    pthread_mutex_unlock(&vfs->mutex);
    return failures;
}

void ck_fault_vfs_cut_at(ck_fault_vfs *vfs, uint64_t ordinal) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->cut_in = ordinal;
    pthread_mutex_unlock(&vfs->mutex);
}

int ck_fault_vfs_is_cut(ck_fault_vfs *vfs) { return atomic_load(&vfs->is_cut); }

int ck_fault_vfs_rebuild(ck_fault_vfs *vfs, uint64_t seed) {
    pthread_mutex_lock(&vfs->mutex);
    int result = 0;
    for (ck_tracked *file = vfs->files; file; file = file->next) {
        int outcome = ck_tracked_rebuild(file, vfs->last_write, &seed);
        if (outcome) result = outcome;
        // Shared memory goes with the power.
        char *shared = malloc(strlen(file->path) + 5);
        if (shared) {
            sprintf(shared, "%s-shm", file->path);
            unlink(shared);
            free(shared);
        }
    }
    forget(vfs);
    vfs->cut_in = 0;
    atomic_store(&vfs->is_cut, 0);
    pthread_mutex_unlock(&vfs->mutex);
    return result;
}
