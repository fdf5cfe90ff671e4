import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitRedis

/// Starts one Cluster for a whole suite, and ends it after the last test.
struct ClusterTrait: SuiteTrait, TestScoping {
    @TaskLocal static var cluster: RedisCluster?

    /// Whether replicas take the place of dead masters, after a second.
    var failsOver = false

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let cluster =
            try await failsOver
            ? RedisCluster.start(nodeTimeout: .seconds(1), failsOver: true) : RedisCluster.start()
        defer { cluster.stop() }
        try await Self.$cluster.withValue(cluster) { try await function() }
    }
}

extension SuiteTrait where Self == ClusterTrait {
    static var redisCluster: Self { ClusterTrait() }
    static var failingOverRedisCluster: Self { ClusterTrait(failsOver: true) }
}

extension RedisStore {
    var clusterCounts: ClusterCounts { (topology as? ClusterTopology)?.counters.current ?? ClusterCounts() }
}

extension RedisCluster {
    /// A key with a tag whose slot belongs to a master, as it was set up.
    func tag(ofMaster index: Int, _ prefix: String) -> String {
        let slots = slots(ofMaster: index)
        return (0...).lazy.map { "\(prefix)\($0)" }.first { slots.contains(HashSlot(of: $0).number) } ?? prefix
    }
}

/// Does to a Cluster what an operator does, on connections that know of no Cluster.
struct ClusterOperator {
    let cluster: RedisCluster
    private let stores: [RedisStore]

    init(_ cluster: RedisCluster) throws {
        self.cluster = cluster
        stores = try cluster.masters.map { try makeStore($0.unixURL) }
    }

    @discardableResult
    func run(on master: Int, _ words: String...) async throws -> RESPValue {
        try await stores[master].command(words.map { Array($0.utf8) })
    }

    /// The slot's keys begin to move; new ones come to be at the target.
    func begin(_ slot: Int, from source: Int, to target: Int) async throws {
        let number = String(slot)
        try await run(
            on: target, "CLUSTER", "SETSLOT", number, "IMPORTING", cluster.identifier(of: cluster.masters[source]))
        try await run(
            on: source, "CLUSTER", "SETSLOT", number, "MIGRATING", cluster.identifier(of: cluster.masters[target]))
    }

    /// One key moves.
    func move(_ key: String, from source: Int, to target: Int) async throws {
        try await run(
            on: source, "MIGRATE", "127.0.0.1", String(cluster.masters[target].port), key, "0", "5000")
    }

    /// All keys of a slot move, one by one.
    ///
    /// - Returns: how many.
    func moveKeys(of slot: Int, from source: Int, to target: Int) async throws -> Int {
        var count = 0
        while case .array(let keys) = try await run(
            on: source, "CLUSTER", "GETKEYSINSLOT", String(slot), "100"), !keys.isEmpty
        {
            for case .bulkString(let key) in keys {
                try await move(String(decoding: key, as: UTF8.self), from: source, to: target)
            }
            count += keys.count
        }
        return count
    }

    /// The slot belongs to the target.
    func end(_ slot: Int, from source: Int, to target: Int) async throws {
        let owner = cluster.identifier(of: cluster.masters[target])
        let others = cluster.masters.indices.filter { $0 != source && $0 != target }
        for master in [target, source] + others {
            try await run(on: master, "CLUSTER", "SETSLOT", String(slot), "NODE", owner)
        }
    }
}

/// Writers and readers who know what they wrote: each key's values count up, and say whose they are.
final class CountingLoad: Sendable {
    struct Findings: Sendable {
        /// A value of another key, or one that was never written.
        var wrong = 0
        /// A value older than one that was acknowledged.
        var lost = 0
        var writes = 0
        var reads = 0
        var longest = Duration.zero
        var failures: [CacheError.Code: Int] = [:]
    }

    private struct State {
        var attempted: [Int]
        var acknowledged: [Int]
        var findings = Findings()
        var isStopped = false
    }

    let keys: [CacheKey]
    private let store: RedisStore
    /// Whether a write counts only once a replica has it; the load is then one write at a time.
    private let waitsForReplica: Bool
    private let state: Mutex<State>

    init(_ store: RedisStore, keys: [String], waitsForReplica: Bool = false) throws {
        self.store = store
        self.keys = try keys.map { try CacheKey($0) }
        self.waitsForReplica = waitsForReplica
        let zeros = Array(repeating: 0, count: keys.count)
        state = Mutex(State(attempted: zeros, acknowledged: zeros))
    }

    var findings: Findings { state.withLock { $0.findings } }
    func acknowledged(_ index: Int) -> Int { state.withLock { $0.acknowledged[index] } }

    /// Runs writers and readers while `body` does, then reads every key once more.
    func run(writers: Int, readers: Int, while body: () async throws -> Void) async throws {
        state.withLock { $0.isStopped = false }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<writers { group.addTask { await self.write(number, of: writers) } }
            for number in 0..<readers { group.addTask { await self.read(seed: number) } }
            defer { state.withLock { $0.isStopped = true } }
            try await body()
            state.withLock { $0.isStopped = true }
            try await group.waitForAll()
        }
        for start in stride(from: 0, to: keys.count, by: 500) { await check(Array(keys.indices[start...].prefix(500))) }
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func write(_ number: Int, of writers: Int) async {
        // No two writers share a key, so that its values have an order.
        let own = keys.indices.filter { $0 % writers == number }
        var position = 0
        while !isStopped {
            let count = waitsForReplica ? 1 : 1 + position % 40
            var indices = (0..<count).map { own[(position + $0) % own.count] }
            // Twice in one call: the second value must stay.
            if !waitsForReplica { indices.append(indices[0]) }
            position += count
            await write(indices)
            await Task.yield()
        }
    }

    private func write(_ indices: [Int]) async {
        let numbers = state.withLock { state in
            indices.map { index in
                state.attempted[index] += 1
                return state.attempted[index]
            }
        }
        let writes = zip(indices, numbers).map { index, number in
            RemoteWrite(
                key: keys[index],
                action: .put(Array("\(keys[index].string)#\(number)".utf8), timeToLive: .seconds(600)))
        }
        await measured { () async throws(CacheError) in
            let results = try await store.write(writes)
            let isReplicated = waitsForReplica ? try await isOnReplica(keys[indices[0]]) : true
            state.withLock { state in
                state.findings.writes += results.count
                for (index, result) in results.enumerated() {
                    switch result {
                    case .applied where isReplicated: state.acknowledged[indices[index]] = numbers[index]
                    case .applied, .missing: break
                    case .failed(let error): state.findings.failures[error.code, default: 0] += 1
                    }
                }
            }
        }
    }

    private func isOnReplica(_ key: CacheKey) async throws(CacheError) -> Bool {
        try await store.command(words("WAIT", "1", "50"), for: key.string) == .integer(1)
    }

    private func read(seed: Int) async {
        var position = seed &* 7919
        while !isStopped {
            let count = 1 + position % 100
            await check((0..<count).map { (position + $0 &* 31) % keys.count })
            position = (position &+ 104_729) & 0xFFFF_FFFF
            await Task.yield()
        }
    }

    private func check(_ indices: [Int]) async {
        let floors = state.withLock { state in indices.map { state.acknowledged[$0] } }
        await measured { () async throws(CacheError) in
            let entries = try await store.read(indices.map { keys[$0] })
            state.withLock { state in
                state.findings.reads += entries.count
                for (position, index) in indices.enumerated() {
                    let value = entries[position].map { String(decoding: $0.value, as: UTF8.self) }
                    let parts = value?.split(separator: "#") ?? []
                    let number = value == nil ? 0 : Int(parts.last ?? "") ?? -1
                    let isOurs = value == nil || parts.count == 2 && parts[0] == keys[index].string
                    if !isOurs || number < 0 || number > state.attempted[index] { state.findings.wrong += 1 }
                    if number < floors[position] { state.findings.lost += 1 }
                }
            }
        }
    }

    private func measured(_ body: () async throws(CacheError) -> Void) async {
        let start = ContinuousClock.now
        var failure: CacheError.Code?
        do throws(CacheError) { try await body() } catch { failure = error.code }
        let duration = start.duration(to: .now)
        state.withLock { state in
            state.findings.longest = max(state.findings.longest, duration)
            if let failure { state.findings.failures[failure, default: 0] += 1 }
        }
    }
}
