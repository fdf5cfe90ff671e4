// Tells the thread sanitizer what the slow paths of Swift's Synchronization.Mutex do; sanitize.sh preloads it.
//
// The fast paths of a Mutex are inlined into our code, where the sanitizer sees their atomics. The slow paths, taken when
// two threads meet, are in libswiftSynchronization, which is not built for it: without this, whatever a contended lock
// guards is reported as a race. Each function here does the real one's work and adds the missing edge.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// Absent in processes that are not built for the sanitizer, such as the build tool.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef SWIFT void Lock(uint32_t state, SELF);
typedef SWIFT bool TryLock(SELF);
typedef SWIFT void Unlock(SELF);

static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

SWIFT void lock(uint32_t state, SELF) __asm__(LOCK);
SWIFT void lock(uint32_t state, SELF) {
    ((Lock *)next(LOCK))(state, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT bool try_lock(SELF) __asm__(TRY_LOCK);
SWIFT bool try_lock(SELF) {
    bool locked = ((TryLock *)next(TRY_LOCK))(self);
    if (locked && __tsan_acquire) __tsan_acquire(self);
    return locked;
}

SWIFT void unlock(SELF) __asm__(UNLOCK);
SWIFT void unlock(SELF) {
    if (__tsan_release) __tsan_release(self);
    ((Unlock *)next(UNLOCK))(self);
}
