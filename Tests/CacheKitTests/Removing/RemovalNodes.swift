import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// Caches that share a remote, each with a file of its own or with somebody else's, and the clock. Nobody runs them: what is known
/// of removals is good for a second.
struct RemovalNodes: Sendable {
    struct Node: Sendable {
        let cache: Cache
        let local: SimulatedLocalStore?
        let numbers: Namespace<Int>

        /// What a running cache does by itself.
        func hear() async { await cache.confirmRemovals() }

        func push() async { if cache.synchronizer != nil { _ = await cache.push(deadline: .seconds(60)) } }
    }

    let clock = ManualClock()
    let remote: SimulatedRemoteStore
    let log = LogBook()

    init() { remote = SimulatedRemoteStore(clock: clock) }

    /// - Parameters:
    ///   - file: the file that it opens, perhaps together with others; `nil` for none.
    func node(
        file: SimulatedLocalStore?, hasRemote: Bool = true, clock: ManualClock? = nil, _ namespace: String = "n"
    ) async throws -> Node {
        var configuration = CacheConfiguration()
        configuration.clock = clock ?? self.clock
        configuration.logger = log.logger
        let cache = try await Cache(
            local: Chosen(store: file), remote: Chosen(store: hasRemote ? remote : nil),
            sync: .writeBehind(), encryption: .secure(key: .keyring(try World.keyring.get())),
            configuration: configuration)
        return Node(cache: cache, local: file, numbers: cache.namespace(namespace, of: Int.self, ttl: .seconds(1000)))
    }

    /// A file that nobody has opened yet; nodes that share a remote have different numbers.
    func file(_ node: UInt64 = 1) -> SimulatedLocalStore {
        SimulatedLocalStore(clock: clock, file: SimulatedFile(node: node), seed: node)
    }

    /// Lets what is known be asked for again.
    func outdate() { clock.advance(by: .milliseconds(1100)) }
}
