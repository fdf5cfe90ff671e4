#include "unsynced.h"

#include <stdlib.h>
#include <string.h>

static size_t *slot(const ck_unsynced *unsynced, uint64_t sector) {
    size_t index = (size_t)(sector * 0x9E3779B97F4A7C15ull >> 20) & (unsynced->slot_count - 1);
    while (unsynced->slots[index] && unsynced->writes[unsynced->slots[index] - 1].sector != sector)
        index = (index + 1) & (unsynced->slot_count - 1);
    return &unsynced->slots[index];
}

void ck_unsynced_clear(ck_unsynced *unsynced) {
    free(unsynced->writes);
    free(unsynced->slots);
    memset(unsynced, 0, sizeof *unsynced);
}

static int grow(ck_unsynced *unsynced) {
    size_t capacity = unsynced->capacity ? unsynced->capacity * 2 : 64;
    ck_unsynced_write *writes = realloc(unsynced->writes, capacity * sizeof *writes);
    if (!writes) return 0;
    unsynced->writes = writes;
    size_t *slots = calloc(capacity * 2, sizeof *slots);
    if (!slots) return 0;
    free(unsynced->slots);
    unsynced->slots = slots;
    unsynced->slot_count = capacity * 2;
    unsynced->capacity = capacity;
    for (size_t index = 0; index < unsynced->count; index++) *slot(unsynced, writes[index].sector) = index + 1;
    return 1;
}

size_t ck_unsynced_latest(const ck_unsynced *unsynced, uint64_t sector) {
    return unsynced->slot_count ? *slot(unsynced, sector) : 0;
}

int ck_unsynced_add(ck_unsynced *unsynced, uint64_t sector, const unsigned char before[CK_SECTOR]) {
    if (unsynced->count == unsynced->capacity && !grow(unsynced)) return 0;
    // The page is dirty again, and the next sync writes all of it.
    uint64_t page = sector / (CK_PAGE / CK_SECTOR) * (CK_PAGE / CK_SECTOR);
    for (uint64_t other = page; other < page + CK_PAGE / CK_SECTOR; other++)
        for (size_t at = *slot(unsynced, other); at; at = unsynced->writes[at - 1].older)
            unsynced->writes[at - 1].is_stuck = 0;
    size_t *latest = slot(unsynced, sector);
    ck_unsynced_write *write = &unsynced->writes[unsynced->count++];
    write->sector = sector;
    write->older = *latest;
    write->is_stuck = 0;
    memcpy(write->before, before, CK_SECTOR);
    *latest = unsynced->count;
    return 1;
}

void ck_unsynced_stick(ck_unsynced *unsynced) {
    for (size_t index = 0; index < unsynced->count; index++) unsynced->writes[index].is_stuck = 1;
}

void ck_unsynced_synced(ck_unsynced *unsynced, uint64_t size) {
    size_t kept = 0;
    for (size_t index = 0; index < unsynced->count; index++) {
        ck_unsynced_write *write = &unsynced->writes[index];
        if (write->is_stuck && write->sector * CK_SECTOR < size) unsynced->writes[kept++] = *write;
    }
    unsynced->count = kept;
    if (unsynced->slots) memset(unsynced->slots, 0, unsynced->slot_count * sizeof *unsynced->slots);
    for (size_t index = 0; index < kept; index++) {
        size_t *latest = slot(unsynced, unsynced->writes[index].sector);
        unsynced->writes[index].older = *latest;
        *latest = index + 1;
    }
}
