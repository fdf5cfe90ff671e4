#pragma once
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>
// The dispatching symbols pick AVX2 or AVX-512 at run time and are 2 to 3 x faster; the header exists for x86 only.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

// libxxhash's AVX code returns without VZEROUPPER, and until somebody executes one, every SSE instruction carries a false
// dependency (Intel Optimization Manual, "Mixing SSE and AVX"): opening 1 KiB by OpenSSL took 1.4 x as long after a hash.
static inline uint64_t ck_xxh3_64(const void *bytes, size_t count) {
#if defined(__x86_64__)
    uint64_t hash = XXH3_64bits_dispatch(bytes, count);
    if (__builtin_cpu_supports("avx")) __asm__ volatile("vzeroupper");
    return hash;
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
