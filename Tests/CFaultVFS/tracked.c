#include "tracked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// SplitMix64 (Steele et al., OOPSLA 2014).
static uint64_t draw(uint64_t *random) {
    uint64_t mixed = *random += 0x9E3779B97F4A7C15ull;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBull;
    return mixed ^ (mixed >> 31);
}

static int chance(uint64_t *random, unsigned percent) { return draw(random) % 100 < percent; }

void ck_tracked_reset(ck_tracked *file, int64_t durable_size, int has_durable_name) {
    ck_unsynced_clear(&file->unsynced);
    free(file->ghost);
    file->ghost = NULL;
    file->is_deleted = 0;
    file->durable_size = durable_size;
    file->low_size = INT64_MAX;
    file->truncated_after = 0;
    file->has_durable_name = has_durable_name;
}

int ck_tracked_keep_ghost(ck_tracked *file) {
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    struct stat status;
    int result = fstat(descriptor, &status) ? errno : 0;
    if (!result) {
        file->ghost_size = status.st_size;
        file->ghost = malloc(status.st_size ? (size_t)status.st_size : 1);
        if (!file->ghost || pread(descriptor, file->ghost, (size_t)status.st_size, 0) != status.st_size) result = EIO;
    }
    close(descriptor);
    file->is_deleted = !result;
    return result;
}

// Puts back what a sector held before a write, from a byte of it on.
static int undo(int descriptor, const ck_unsynced_write *write, size_t from) {
    ssize_t count = CK_SECTOR - (ssize_t)from;
    off_t offset = (off_t)(write->sector * CK_SECTOR + from);
    return pwrite(descriptor, write->before + from, (size_t)count, offset) == count ? 0 : EIO;
}

typedef struct {
    // The share of sectors that the disk wrote, or all writes before one of them.
    unsigned percent;
    size_t in_order_before;
    int is_in_order, keeps_truncation;
    size_t torn;
    size_t torn_from;
} fate;

// Which write of a sector to take back, as index + 1, with all behind it; 0 for none.
static size_t first_lost(const ck_tracked *file, const fate *fate, size_t latest, uint64_t *random) {
    const ck_unsynced_write *writes = file->unsynced.writes;
    int is_cut_off = (int64_t)(writes[latest - 1].sector * CK_SECTOR) >= file->low_size;
    size_t oldest = latest;
    size_t count = 1;
    for (size_t at = writes[latest - 1].older; at; at = writes[at - 1].older) {
        // What was there before the truncation does not come back.
        if (is_cut_off && fate->keeps_truncation && at <= file->truncated_after) break;
        oldest = at;
        count++;
    }
    if (is_cut_off && !fate->keeps_truncation) return oldest;
    if (is_cut_off && latest <= file->truncated_after) return 0;
    if (fate->is_in_order) {
        size_t lost = 0;
        for (size_t at = latest; at > fate->in_order_before; at = writes[at - 1].older) {
            lost = at;
            if (at == oldest) break;
        }
        return lost;
    }
    if (chance(random, fate->percent)) return 0;
    if (!fate->percent || chance(random, 50)) return oldest;
    size_t at = latest;
    for (size_t back = draw(random) % count; back; back--) at = writes[at - 1].older;
    return at;
}

static int rebuild(ck_tracked *file, int descriptor, fate fate, uint64_t *random) {
    struct stat status;
    if (fstat(descriptor, &status)) return errno;
    const ck_unsynced *unsynced = &file->unsynced;
    int64_t end = file->durable_size;
    if (fate.keeps_truncation && file->low_size < end) end = file->low_size;
    for (size_t latest = 1; latest <= unsynced->count; latest++) {
        const ck_unsynced_write *write = &unsynced->writes[latest - 1];
        if (ck_unsynced_latest(unsynced, write->sector) != latest) continue;
        size_t lost = first_lost(file, &fate, latest, random);
        int result = 0;
        if (lost) result = undo(descriptor, &unsynced->writes[lost - 1], 0);
        else if (latest == fate.torn) result = undo(descriptor, write, fate.torn_from);
        if (result) return result;
        int64_t sector_end = (int64_t)(write->sector + 1) * CK_SECTOR;
        if (!lost && sector_end > end) end = sector_end < status.st_size ? sector_end : status.st_size;
    }
    // The length may be written before what lies there.
    int is_shorter = file->low_size < file->durable_size && !fate.keeps_truncation;
    if (end < status.st_size && !is_shorter && chance(random, 25)) end = status.st_size;
    return ftruncate(descriptor, end) ? errno : 0;
}

static fate draw_fate(const ck_tracked *file, ck_last_write last, uint64_t *random) {
    static const unsigned shares[] = {0, 100, 50, 90, 10};
    size_t count = file->unsynced.count;
    fate fate = {.keeps_truncation = chance(random, 50)};
    size_t kind = draw(random) % 6;
    if (kind < 5) fate.percent = shares[kind];
    fate.is_in_order = kind == 5;
    fate.in_order_before = draw(random) % (count + 1);
    if (last.file == file && last.first < count && chance(random, 50)) {
        fate.torn = last.first + 1 + draw(random) % (count - last.first);
        fate.torn_from = draw(random) % CK_SECTOR;
    }
    return fate;
}

int ck_tracked_rebuild(ck_tracked *file, ck_last_write last, uint64_t *random) {
    if (file->is_deleted) {
        if (chance(random, 50)) return 0;
    } else if (!file->has_durable_name && chance(random, 50)) {
        return unlink(file->path) && errno != ENOENT ? errno : 0;
    }
    int descriptor = open(file->path, O_RDWR | O_CLOEXEC | (file->is_deleted ? O_CREAT : 0), 0600);
    // Somebody else deleted it.
    if (descriptor < 0) return errno == ENOENT ? 0 : errno;
    int result = 0;
    if (file->is_deleted && pwrite(descriptor, file->ghost, (size_t)file->ghost_size, 0) != file->ghost_size)
        result = EIO;
    if (!result) result = rebuild(file, descriptor, draw_fate(file, last, random), random);
    close(descriptor);
    return result;
}
