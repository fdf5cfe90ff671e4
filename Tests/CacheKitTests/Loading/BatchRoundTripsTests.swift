import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

/// How often many keys at once ask a tier.
struct BatchRoundTripsTests {
    private func cache(over store: CountingStore, _ loading: LoadingPolicy) async throws -> Namespace<Int> {
        var configuration = CacheConfiguration()
        configuration.clock = store.clock
        let cache = try await Cache(
            local: store, encryption: .secure(key: .keyring(World.keyring.get())), configuration: configuration)
        return cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
    }

    private let keys = (0..<500).map { "k\($0)" }

    @Test func `a thousand values and results that there is none cost the file as much as a few`() async throws {
        var loading = LoadingPolicy()
        loading.negativeTTL = .seconds(5)
        loading.staleIfError = .seconds(5)
        var counts: [[StoreCalls.RawValue: Int]] = []
        for keys in [Array(keys.prefix(4)), keys] {
            let store = CountingStore(clock: ManualClock())
            let numbers = try await cache(over: store, loading)
            // What removals there are is asked for once.
            #expect(try await numbers.get(["other"]) == [:])
            store.forget()
            // Every second one does not exist.
            let there = keys.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            let values = try await numbers.getOrSet(keys) { _ in
                Dictionary(uniqueKeysWithValues: there.map { ($0, 1) })
            }
            #expect(values.count == there.count)
            counts.append(store.counts)
            store.forget()
            #expect(try await numbers.getOrSet(keys) { _ in throw CancellationError() } == values)
            counts.append(store.counts)
        }
        #expect(counts[0] == counts[2])
        #expect(counts[1] == counts[3])
        #expect(counts[0][StoreCalls.writes.rawValue] == 2, "\(counts)")
    }

    @Test func `values that are no more are let go of together`() async throws {
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let store = CountingStore(clock: ManualClock())
        let numbers = try await cache(over: store, loading)
        try await numbers.set(Dictionary(uniqueKeysWithValues: keys.map { ($0, 1) }))
        store.clock.advance(by: .seconds(11))
        store.forget()
        #expect(try await numbers.getOrSet(keys) { _ in [:] } == [:])
        #expect(store.counts[StoreCalls.writes.rawValue] == 1)
    }
}

/// Counts its calls.
private final class CountingStore: ForwardingStore, LocalStoreProvider {
    let clock: ManualClock
    let base: SimulatedLocalStore
    private let state = Mutex<[StoreCalls.RawValue: Int]>([:])

    init(clock: ManualClock) {
        self.clock = clock
        base = SimulatedLocalStore(clock: clock)
    }

    var counts: [StoreCalls.RawValue: Int] { state.withLock { $0 } }

    func forget() { state.withLock { $0 = [:] } }

    func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result {
        state.withLock { $0[call.rawValue, default: 0] += 1 }
        return try await body()
    }

    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }
}
