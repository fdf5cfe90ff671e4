"""The lock of a key keeps the other SDK out, and each end gives back only its own."""

import asyncio
import time

from cachekit.backends.redis.provider import RedisBackendProvider

from report import Section

LEASE = 30


def locks(ends):
    section = Section("The lock of a key, held by either SDK, keeps the other out")
    provider = RedisBackendProvider(ends.url)
    backend = provider.get_shared_backend()
    try:
        asyncio.run(exclusion(ends, section, backend))
        asyncio.run(turns(ends, section, backend))
    finally:
        provider.close()


async def exclusion(ends, section, backend):
    key = "proof:locked"
    # The Python SDK puts its tenant before every key; Swift takes the whole name.
    physical = backend._scoped_key(key)
    name = f"{physical}:lock"

    async with backend.acquire_lock(key, timeout=LEASE) as acquired:
        section.expect(acquired, True, "Python on a free lock:")
        token = ends.redis.get(name)
        section.check(token is not None, "Python's lock is not at", name)
        section.refused("lockHeld", lambda: lock(ends, physical, wait=250), "Swift, while Python holds it:")
        section.expect(ends.redis.get(name), token, "Python's lock after Swift's attempt:")
    section.expect(ends.redis.exists(name), 0, "Python gives it back, key left:")

    lock(ends, physical, wait=0)
    token = ends.redis.get(name)
    section.expect(len(token or b""), 32, "length of Swift's token:")
    left = ends.redis.pttl(name)
    section.check((LEASE - 10) * 1000 < left <= LEASE * 1000, "Swift's lease:", left)
    async with backend.acquire_lock(key, timeout=LEASE, blocking_timeout=0.25) as acquired:
        section.expect(acquired, False, "Python, while Swift holds it:")
    section.expect(ends.redis.get(name), token, "Swift's lock after Python's attempt:")
    ends.peer.ask("unlock")
    section.expect(ends.redis.exists(name), 0, "Swift gives it back, key left:")

    # A lock that ran out and was taken by the other is the other's.
    async with backend.acquire_lock(key, timeout=LEASE) as acquired:
        ends.redis.delete(name)
        lock(ends, physical, wait=0)
        token = ends.redis.get(name)
    section.expect(ends.redis.get(name), token, "Swift's lock after Python gave back a lost one:")
    ends.redis.delete(name)
    async with backend.acquire_lock(key, timeout=LEASE) as acquired:
        section.expect(acquired, True, "Python after Swift's was lost:")
        token = ends.redis.get(name)
        section.refused("lockLost", lambda: ends.peer.ask("unlock"), "Swift on giving back a lost one:")
        section.expect(ends.redis.get(name), token, "Python's lock after Swift gave back a lost one:")


async def turns(ends, section, backend):
    """Each waits for the other and gets the lock once it is free."""
    key = "proof:turns"
    physical = backend._scoped_key(key)
    for _ in range(5):
        lock(ends, physical, wait=5000)
        waiting = asyncio.ensure_future(hold(backend, key))
        await asyncio.sleep(0.05)
        section.expect(waiting.done(), False, "Python waits while Swift holds it:")
        ends.peer.ask("unlock")
        section.expect(await waiting, True, "Python gets it after Swift:")

        async with backend.acquire_lock(key, timeout=LEASE, blocking_timeout=5) as acquired:
            section.expect(acquired, True, "Python holds it:")
            began = time.monotonic()
            waiting = asyncio.ensure_future(asyncio.to_thread(lock, ends, physical, 5000))
            await asyncio.sleep(0.2)
            section.expect(waiting.done(), False, "Swift waits while Python holds it:")
        await waiting
        section.check(time.monotonic() - began < 3, "Swift got it after", time.monotonic() - began)
        ends.peer.ask("unlock")


async def hold(backend, key):
    async with backend.acquire_lock(key, timeout=LEASE, blocking_timeout=5) as acquired:
        return acquired


def lock(ends, key, wait):
    """Lets Swift take the lock of a key and keep it."""
    ends.peer.ask("lock", cache="plain", key=key, milliseconds=wait)
