import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

struct HeldLoadLocksTests {
    private struct CountedLock: LoadLock {
        let releases = Counter()
        func release() { releases.add() }
    }

    @Test func `a lock that comes when the load is over is given back at once`() async throws {
        let world = try await World(.remoteOnly)
        let returns = LockReturns()
        let held = HeldLoadLocks(returns)
        held.giveBackAtOnce()
        let file = CountedLock()
        held.keep(file)
        #expect(file.releases.value == 1)
        let key = try CacheKey("n:k")
        let lock = RemoteLock(
            remote: world.remote, key: key, lease: .seconds(10), logger: world.log.logger,
            keyHasher: world.cache.keyHasher)
        let until = try #require(try await lock.tryAcquire())
        #expect(try world.remote.isLocked(key))
        held.keep(lock, until: until)
        await returns.finish()
        #expect(try !world.remote.isLocked(key))
        #expect(!held.isAny)
    }
}
