#include "floors.h"

#include <lz4.h>
#include <xxhash.h>
// The fastest XXH3 there is, as CacheKit takes it: dispatched by processor, x86 only.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#define HASH XXH3_64bits_dispatch
#else
#define HASH XXH3_64bits
#endif

size_t floor_compress(const void *bytes, size_t count, void *block, size_t capacity, uint64_t *hash) {
    *hash = HASH(bytes, count);
    int written = LZ4_compress_default(bytes, block, (int)count, (int)capacity);
    return written < 0 ? 0 : (size_t)written;
}

int floor_decompress(const void *block, size_t block_count, void *bytes, size_t count, uint64_t hash) {
    return LZ4_decompress_safe(block, bytes, (int)block_count, (int)count) == (int)count && HASH(bytes, count) == hash;
}
