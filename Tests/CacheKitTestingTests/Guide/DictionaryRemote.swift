import CacheKit
import CacheKitTesting
import Synchronization
import Testing

/// A remote tier in a dictionary. ``VersionedCells`` holds values and versions and weighs writes; a tier of your own does so
/// where its data is.
final class DictionaryRemote: RemoteStore {
    private struct State {
        var cells = VersionedCells()
        var isClosed = false
    }

    private let state = Mutex(State())
    private let clock: any CacheClock

    init(clock: any CacheClock) { self.clock = clock }

    private func ask<Answer>(
        _ body: (inout VersionedCells, Timestamp) -> sending Answer
    ) throws(CacheError) -> sending Answer {
        let now = clock.now()
        return try state.withLock { state throws(CacheError) in
            if state.isClosed { throw CacheError(.shutdown, "the store was closed; open it again") }
            return body(&state.cells, now)
        }
    }

    // Plain keys and values.

    func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        try ask { cells, now in keys.map { cells.entry($0, at: now) } }
    }

    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] { try await read(keys).map { $0 != nil } }

    func keys(withPrefix prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage {
        try ask { cells, now in
            let keys = cells.cells.keys.filter { $0.string.hasPrefix(prefix) && cells.entry($0, at: now) != nil }
            return RemoteKeyPage(keys: keys, next: nil)
        }
    }

    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        try ask { cells, now in
            writes.map { write in
                switch write.action {
                case .put(let value, let life):
                    cells.cells[write.key] = VersionedCells.Cell(value: value, expiresAt: now.advanced(by: life))
                case .delete: cells.cells[write.key] = nil
                case .expire(let life):
                    guard cells.live(write.key, at: now) != nil else { return .missing }
                    cells.cells[write.key]?.expiresAt = now.advanced(by: life)
                }
                return .applied
            }
        }
    }

    func ping() async throws(CacheError) { try ask { _, _ in } }

    func close() async { state.withLock { $0.isClosed = true } }

    // Versions in buckets.

    let bucketCount = 8

    func bucket(of key: CacheKey) -> Int { key.string.utf8.reduce(0) { ($0 * 31 + Int($1)) % 9_973 } % bucketCount }

    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        try ask { cells, now in pushes.map { cells.push($0, at: now) } }
    }

    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try ask { cells, _ in buckets.map { .success(cells.buckets[$0]?.marks[node]) } }
    }

    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] {
        try ask { cells, now in
            keys.map { key in
                RemoteView(
                    entry: cells.entry(key, at: now), record: cells.buckets[self.bucket(of: key)]?.records[key])
            }
        }
    }

    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] {
        try await inspect(keys).map { RemoteGlance(tail: Self.tail($0), remaining: $0.entry?.remaining) }
    }

    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] {
        try await inspect(keys).map {
            RemoteTrace(tail: Self.tail($0), hasValue: $0.entry != nil, record: $0.record)
        }
    }

    private static func tail(_ view: RemoteView) -> ValueFingerprint? {
        view.entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) }
    }

    func survey() async throws(CacheError) -> RemoteSurvey {
        try ask { _, now in RemoteSurvey(time: now, evictsRecords: false) }
    }

    func sweep(bucket: Int, from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep {
        try ask { cells, _ in SweepStep(next: 0, removed: cells.sweep(bucket: bucket, endedBefore: time)) }
    }

    func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] { [1] }
}

extension DictionaryRemote: RemoteStoreProvider {
    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { self }
}

struct DictionaryRemoteTests {
    @Test(arguments: RemoteStoreConformance.Check.allCases)
    func `it keeps the promises of a remote store`(check: RemoteStoreConformance.Check) async throws {
        let clock = ManualClock()
        // Before a real server, wait: `RemoteStoreConformance { try? await Task.sleep(for: $0) }`.
        let conformance = RemoteStoreConformance { clock.advance(by: $0) }
        try await conformance.run(check, on: DictionaryRemote(clock: clock))
    }

    @Test func `it is a tier of a cache`() async throws {
        let clock = ManualClock()
        let remote = DictionaryRemote(clock: clock)
        let cache = try await Cache.testing(clock: clock, remote: remote)
        try await cache.bytes.set([1], for: "k")
        #expect(try await remote.contains([CacheKey("k")]) == [true])
    }
}
