import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// Which tiers a cache has and how it keeps values.
struct Setting: Sendable, CustomTestStringConvertible {
    var hasLocal = false
    var hasRemote = false
    var isSecure = true
    var mode = NamespaceMode.native

    /// Every combination.
    static let all: [Setting] = [false, true].flatMap { local in
        [false, true].flatMap { remote in
            [false, true].flatMap { secure in
                [NamespaceMode.native, .interop].map {
                    Setting(hasLocal: local, hasRemote: remote, isSecure: secure, mode: $0)
                }
            }
        }
    }

    static let withLocal = all.filter(\.hasLocal)
    static let withRemote = all.filter(\.hasRemote)

    static let memoryOnly = Setting()
    static let localOnly = Setting(hasLocal: true)
    static let remoteOnly = Setting(hasRemote: true)
    static let allTiers = Setting(hasLocal: true, hasRemote: true)

    var testDescription: String {
        "memory\(hasLocal ? " + local" : "")\(hasRemote ? " + remote" : ""), \(isSecure ? "secure" : "plain"), \(mode)"
    }
}

/// Leaves a tier out or puts a simulated one in.
struct Chosen<Store: Sendable>: Sendable {
    let store: Store?
}

extension Chosen: LocalStoreProvider where Store == SimulatedLocalStore {
    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { store }
}

extension Chosen: RemoteStoreProvider where Store == SimulatedRemoteStore {
    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { store }
}

/// A cache over simulated tiers, and what a test needs to look behind it.
struct World: Sendable {
    let clock: ManualClock
    let local: SimulatedLocalStore
    let remote: SimulatedRemoteStore
    let log: LogBook
    let setting: Setting
    let cache: Cache

    static let keyring = Result {
        try Keyring(current: MasterKey(bytes: [UInt8](repeating: 7, count: 32)))
    }

    /// A cache with the tiers of `setting`; over the tiers of another world where one is given.
    init(
        _ setting: Setting, beside other: World? = nil, keyring: Keyring? = nil,
        _ adjust: (inout CacheConfiguration) -> Void = { _ in }
    ) async throws {
        clock = other?.clock ?? ManualClock()
        local = other?.local ?? SimulatedLocalStore(clock: clock)
        remote = other?.remote ?? SimulatedRemoteStore(clock: clock)
        log = LogBook()
        self.setting = setting
        var configuration = CacheConfiguration()
        configuration.clock = clock
        configuration.logger = log.logger
        configuration.defaultMode = setting.mode
        adjust(&configuration)
        let source = KeySource.keyring(try keyring ?? Self.keyring.get())
        cache = try await Cache(
            local: Chosen(store: setting.hasLocal ? local : nil),
            remote: Chosen(store: setting.hasRemote ? remote : nil), sync: .writeBehind(),
            encryption: setting.isSecure ? .secure(key: source) : .plain(fileKey: source), configuration: configuration)
    }

    func namespace<Value: Codable & Sendable>(
        _ name: String, of type: Value.Type = Value.self, ttl: Duration? = nil
    ) -> Namespace<Value> {
        cache.namespace(name, of: type, ttl: ttl, mode: setting.mode)
    }

    /// Empties memory as eviction would.
    func forget(_ key: String) throws {
        let hash = Hash128(try CacheKey(key))
        cache.memory.shard(hash).remove(hash)
    }
}

extension World {
    /// Moves time on in small steps until a task has ended, whenever somebody waits.
    func drive<Value: Sendable>(_ task: Task<Value, any Error>) async throws -> Value {
        let done = Counter()
        let watch = Task {
            _ = await task.result
            done.add()
        }
        _ = await eventually {
            if clock.sleeperCount > 0 { clock.advance(by: .milliseconds(5)) }
            return done.value > 0
        }
        await watch.value
        return try await task.value
    }
}
