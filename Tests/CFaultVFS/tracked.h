#pragma once
#include "unsynced.h"

// One file as a power cut knows it.
typedef struct ck_tracked {
    struct ck_tracked *next;
    char *path;
    ck_unsynced unsynced;
    // At the last sync.
    int64_t durable_size;
    // The smallest that it was cut to since then, and how many unsynced writes came before the last such cut.
    int64_t low_size;
    size_t truncated_after;
    // Whether its name in the folder was synced.
    int has_durable_name;
    // Deleted, but the folder was not synced since: what it held.
    int is_deleted;
    unsigned char *ghost;
    int64_t ghost_size;
} ck_tracked;

// The last write before the cut may be torn inside a sector.
typedef struct {
    ck_tracked *file;
    size_t first;
} ck_last_write;

void ck_tracked_reset(ck_tracked *file, int64_t durable_size, int has_durable_name);
// Keeps what a file holds that is about to be deleted; 0, or an errno.
int ck_tracked_keep_ghost(ck_tracked *file);
// Makes the file what a power cut may leave of it; 0, or an errno.
int ck_tracked_rebuild(ck_tracked *file, ck_last_write last, uint64_t *random);
