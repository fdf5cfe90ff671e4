import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

struct CacheFailureTests {
    @Test(
        arguments: Setting.withRemote,
        [
            CacheError.Code.remoteUnavailable, .remoteTimeout, .remoteNotReady, .mayHaveBeenApplied,
        ])
    func `a remote that is away is a counted miss`(setting: Setting, code: CacheError.Code) async throws {
        let world = try await World(setting)
        world.remote.setOutage(CacheError(code, "away"))
        let numbers = world.namespace("n", of: Int.self)
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.get(["k", "l"]).isEmpty)
        #expect(try await !numbers.contains("k"))
        #expect(world.cache.statistics().remoteFailures == 4)
        #expect(world.cache.statistics().remoteMisses == 0)
    }

    @Test(arguments: Setting.withRemote)
    func `a remote that refuses this client throws`(setting: Setting) async throws {
        let world = try await World(setting)
        world.remote.setOutage(CacheError(.remoteAuthentication, "refused"))
        let numbers = world.namespace("n", of: Int.self)
        #expect(await code { _ = try await numbers.get("k") } == .remoteAuthentication)
        #expect(await code { _ = try await numbers.get(["k"]) } == .remoteAuthentication)
        #expect(await code { _ = try await numbers.contains("k") } == .remoteAuthentication)
        #expect(await code { _ = try await numbers.getOrSet("k") { 1 } } == .remoteAuthentication)
        #expect(world.cache.statistics().remoteFailures == 0)
    }

    @Test(arguments: [false, true])
    func `without a local store a write that fails throws and leaves nothing in memory`(applies: Bool) async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        let key = try CacheKey("n:k")
        try await numbers.set(1, for: "k")
        world.remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: applies)
        #expect(await code { try await numbers.set(2, for: "k") } == .mayHaveBeenApplied)
        #expect(world.cache.memoryEntry(for: key) == nil)
        world.remote.setOutage(nil)
        #expect(try await numbers.get("k") == (applies ? 2 : 1))
        world.remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: applies)
        #expect(await code { try await numbers.delete("k") } == .mayHaveBeenApplied)
        #expect(world.cache.memoryEntry(for: key) == nil)
    }

    @Test func `a refusal of one key throws, and the others are as the remote holds them`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        world.remote.refuse(try CacheKey("n:bad"), with: CacheError(.remoteRejected, "another type"))
        #expect(await code { try await numbers.set(["good": 1, "bad": 2]) } == .remoteRejected)
        #expect(try await numbers.get(["good", "bad"]) == ["good": 1])
    }

    @Test func `with a local store a write is acknowledged while the remote is away`() async throws {
        let world = try await World(.allTiers)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        #expect(try await numbers.get("k") == 1)
        #expect(world.remote.batches == 0)
        #expect(try await world.cache.syncStatus()?.backlog.changes == 1)
    }

    @Test func `a failed commit changes nothing, in memory neither`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        world.local.setOutage(.diskFull, on: .writes)
        #expect(await code { try await numbers.set(2, for: "k") } == .diskFull)
        #expect(await code { try await numbers.delete("k") } == .diskFull)
        #expect(try await numbers.get("k") == 1)
        #expect(world.cache.statistics().writes == 1)
        #expect(world.cache.statistics().deletes == 0)
    }

    @Test func `a full disk does not keep the remote's value from whoever asks`() async throws {
        let world = try await World(.allTiers)
        let other = try await World(.remoteOnly, beside: world)
        try await other.namespace("n", of: Int.self).set(7, for: "k")
        world.local.setOutage(.diskFull, on: .writes)
        #expect(try await world.namespace("n", of: Int.self).get("k") == 7)
        #expect(world.cache.statistics().storeFailures == 1)
    }

    // MARK: Opening

    @Test func `a local store without a key is refused`() async {
        let local = SimulatedLocalStore(clock: ManualClock())
        #expect(await code { _ = try await Cache(local: local, encryption: .plain) } == .missingMasterKey)
    }

    @Test func `a local and a remote store without sync are refused before either is opened`()
        async throws
    {
        let clock = ManualClock()
        let (local, remote) = (SimulatedLocalStore(clock: clock), SimulatedRemoteStore(clock: clock))
        let encryption = Encryption.secure(key: .keyring(try World.keyring.get()))
        #expect(
            await code { _ = try await Cache(local: local, remote: remote, encryption: encryption) }
                == .invalidConfiguration)
        var broken = SyncConfiguration()
        broken.batchChanges = 0
        #expect(
            await code {
                _ = try await Cache(
                    local: local, remote: remote, sync: .writeBehind(broken), encryption: encryption)
            } == .invalidConfiguration)
        #expect(!local.isClosed)
        #expect(!remote.isClosed)
    }

    @Test func `a remote is closed again when the local store can't be opened`() async throws {
        struct Broken: LocalStoreProvider {
            func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? {
                throw CacheError(.damagedStore, "damaged")
            }
        }
        let remote = SimulatedRemoteStore(clock: ManualClock())
        let encryption = Encryption.secure(key: .keyring(try World.keyring.get()))
        #expect(
            await code {
                _ = try await Cache(local: Broken(), remote: remote, sync: .writeBehind(), encryption: encryption)
            } == .damagedStore)
        #expect(remote.isClosed)
    }

    @Test(arguments: 0..<11)
    func `a configuration out of range is refused`(index: Int) async {
        let faults: [@Sendable (inout CacheConfiguration) -> Void] = [
            { $0.tenant = "" }, { $0.tenant = String(repeating: "t", count: 1025) }, { $0.defaultTTL = .zero },
            { $0.defaultTTL = .seconds(Int64.max) }, { $0.maximumValueBytes = 0 },
            { $0.maximumValueBytes = (512 << 20) + 1 }, { $0.memory.maximumBytes = -1 }, { $0.memory.shards = 0 },
            { $0.tombstoneLifetime = .zero }, { $0.coherenceInterval = .milliseconds(4) },
            { $0.maintenanceInterval = .milliseconds(9) },
        ]
        #expect(await code { _ = try await World(.memoryOnly, faults[index]) } == .invalidConfiguration)
    }
}
