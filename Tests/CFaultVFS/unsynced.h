#pragma once
#include <stddef.h>
#include <stdint.h>

// What stands behind one file's durable state: for each sector written since the last sync, what it held before each write.
//
// Writes go to the real file at once, so that everyone reads what was written. A power cut takes them back by this record.
enum { CK_SECTOR = 512, CK_PAGE = 4096 };

typedef struct {
    uint64_t sector;
    // The write before this one to the same sector, as index + 1.
    size_t older;
    // A failed sync left it: the kernel takes the page for clean, and a later sync does not write it.
    int is_stuck;
    unsigned char before[CK_SECTOR];
} ck_unsynced_write;

typedef struct {
    ck_unsynced_write *writes;
    size_t count, capacity;
    // Sector to its latest write, as index + 1: open addressing.
    size_t *slots;
    size_t slot_count;
} ck_unsynced;

void ck_unsynced_clear(ck_unsynced *unsynced);
// Notes that a sector is about to be written; 0 without memory.
int ck_unsynced_add(ck_unsynced *unsynced, uint64_t sector, const unsigned char before[CK_SECTOR]);
// The latest write of a sector, as index + 1; 0 if there is none.
size_t ck_unsynced_latest(const ck_unsynced *unsynced, uint64_t sector);
// A sync failed: nothing that it should have written will be, unless written again.
void ck_unsynced_stick(ck_unsynced *unsynced);
// A sync succeeded: only what sticks below a size stays unsynced.
void ck_unsynced_synced(ck_unsynced *unsynced, uint64_t size);
