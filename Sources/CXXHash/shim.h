#pragma once
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>
// The dispatching symbols pick AVX2 or AVX-512 at run time and are 2 to 3 x faster; the header exists for x86 only.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

static inline uint64_t ck_xxh3_64(const void *bytes, size_t count) {
#if defined(__x86_64__)
    return XXH3_64bits_dispatch(bytes, count);
#else
    return XXH3_64bits(bytes, count);
#endif
}

// A seeded 128-bit hash for tables in memory; the seed keeps hostile keys from piling up in one bucket.
static inline void ck_xxh3_128(const void *bytes, size_t count, uint64_t seed, uint64_t *low, uint64_t *high) {
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, count, seed);
    *low = hash.low64;
    *high = hash.high64;
}
