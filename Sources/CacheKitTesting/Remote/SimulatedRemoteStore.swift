public import CacheKit
public import CacheKitCore
import Synchronization

/// A remote store in memory, with the promises of a real one. Fails on demand, loses what it holds, and is written to by others.
///
/// Caches that share it are nodes of one remote. The first of them that is shut down closes it, like a connection; ``reopen()``
/// opens it again, with all that it holds.
public final class SimulatedRemoteStore: RemoteStore, RemoteStoreProvider, FailsOnDemand {
    private struct State {
        var held = VersionedCells()
        var refused: [CacheKey: CacheError] = [:]
        var batches = 0
        var reads = 0
        var isClosed = false
        var refusedQuestions = 0
        var readHook: Hook?
        var writeHook: Hook?
        var following: RemoteFollowing?
        var follower: Follower?
    }

    /// Runs while a reply is on its way.
    public typealias Hook = @Sendable () async -> Void

    /// Who is told of invalidations.
    public typealias Follower = @Sendable (RemoteInvalidation) -> Void

    private let state = Mutex(State())
    private let clock: any CacheClock
    /// What it was told to do wrong.
    public let failures: FailurePlan

    var now: Timestamp { clock.now() }

    /// An empty remote.
    public init(clock: any CacheClock) {
        self.clock = clock
        failures = FailurePlan(clock: clock)
    }

    /// Refuses writes of one key; `nil` ends it.
    public func refuse(_ key: CacheKey, with error: CacheError?) { state.withLock { $0.refused[key] = error } }

    /// Runs `hook` between the moment at which a read takes effect and its reply.
    public func setReadHook(_ hook: Hook?) { state.withLock { $0.readHook = hook } }

    /// Runs `hook` between the moment at which a write takes effect and its reply.
    public func setWriteHook(_ hook: Hook?) { state.withLock { $0.writeHook = hook } }

    /// From now on it tells of invalidations, and says this of itself.
    public func setFollowing(_ following: RemoteFollowing) { state.withLock { $0.following = following } }

    /// Tells the follower of an invalidation; `false` while there is none.
    @discardableResult
    public func tell(_ invalidation: RemoteInvalidation) -> Bool {
        let follower = state.withLock { $0.follower }
        follower?(invalidation)
        return follower != nil
    }

    /// Whether it was closed.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What is held for a key, expired or not.
    public func value(of key: CacheKey) -> [UInt8]? { state.withLock { $0.held.cells[key]?.value } }

    /// When a key expires.
    public func expiry(of key: CacheKey) -> Timestamp? { state.withLock { $0.held.cells[key]?.expiresAt } }

    /// Writes a key as another SDK would, without a version.
    public func put(_ value: [UInt8], for key: CacheKey, expiresAt: Timestamp?) {
        state.withLock { $0.held.cells[key] = VersionedCells.Cell(value: value, expiresAt: expiresAt) }
    }

    /// Loses a key and keeps what it knows of its version, as eviction does.
    public func evict(_ key: CacheKey) { state.withLock { $0.held.cells[key] = nil } }

    /// Loses everything, versions too: an emptied server, or one that came back without its data.
    public func loseEverything() { state.withLock { $0.held = VersionedCells() } }

    /// How many keys are held.
    public var count: Int { state.withLock { $0.held.cells.count } }
    /// How many write batches arrived.
    public var batches: Int { state.withLock { $0.batches } }
    /// How many reads arrived, those of nothing but removals' markers not counted.
    public var reads: Int { state.withLock { $0.reads } }

    /// This very store.
    public func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { self }

    /// Value and remaining life of each key.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        try await reading(keys) { held, now in keys.map { held.entry($0, at: now) } }
    }

    /// A read takes effect, and its reply is on its way.
    func reading<Answer: Sendable>(
        _ keys: [CacheKey], _ body: @Sendable (VersionedCells, Timestamp) -> Answer
    ) async throws(CacheError) -> Answer {
        let isOfMarkers = !keys.isEmpty && keys.allSatisfy(\.isMarker)
        if !isOfMarkers { state.withLock { $0.reads += 1 } }
        let outcome = await outcome(.reads) { (held: inout VersionedCells, _, now) in body(held, now) }
        if !isOfMarkers { await state.withLock { $0.readHook }?() }
        return try outcome.get()
    }

    /// What came of a call, at the moment at which it takes effect.
    private func outcome<Answer: Sendable>(
        _ call: StoreCalls, _ body: @Sendable (inout VersionedCells, [CacheKey: CacheError], Timestamp) -> Answer
    ) async -> Result<Answer, CacheError> {
        do throws(CacheError) {
            if isClosed { throw Self.closed }
            let failure = try await failures.before(call)
            let now = clock.now()
            let answer = try state.withLock { state throws(CacheError) in
                if state.isClosed { throw Self.closed }
                return body(&state.held, state.refused, now)
            }
            return failure.map { .failure($0) } ?? .success(answer)
        } catch {
            return .failure(error)
        }
    }

    private static var closed: CacheError { CacheError(.shutdown, "the remote was closed; open it again") }

    /// Whether each key is held.
    public func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        try await read(keys).map { $0 != nil }
    }

    /// Keys that begin so, by name, a few at a time.
    public func keys(
        withPrefix prefix: String, after cursor: RemoteKeyCursor?
    ) async throws(CacheError) -> RemoteKeyPage {
        try await asking(.reads) { held, now in
            let names = held.cells.keys.filter { key in
                key.string.hasPrefix(prefix) && held.entry(key, at: now) != nil
                    && cursor.map { Array(key.string.utf8).lexicographicallyPrecedes($0.bytes) == false } ?? true
            }
            let sorted = names.sorted { $0.string.utf8.lexicographicallyPrecedes($1.string.utf8) }
            let rest = sorted.dropFirst(Self.keysPerPage)
            return RemoteKeyPage(
                keys: Array(sorted.prefix(Self.keysPerPage)),
                next: rest.first.map { RemoteKeyCursor(bytes: Array($0.string.utf8)) })
        }
    }

    /// Few, so that tests have several pages.
    private static let keysPerPage = 10

    /// Applies writes in order.
    public func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        try await writing { held, refused, now in
            writes.map { write in
                if let refusal = refused[write.key] { return .failed(refusal) }
                switch write.action {
                case .put(let value, let life):
                    held.cells[write.key] = VersionedCells.Cell(value: value, expiresAt: now.advanced(by: life))
                case .delete:
                    held.cells[write.key] = nil
                case .expire(let life):
                    guard held.live(write.key, at: now) != nil else { return .missing }
                    held.cells[write.key]?.expiresAt = now.advanced(by: life)
                }
                return .applied
            }
        }
    }

    /// Lets a write take effect, unless there is an outage; its reply may be lost after that.
    func writing<Answer: Sendable>(
        _ body: @Sendable (inout VersionedCells, [CacheKey: CacheError], Timestamp) -> Answer
    ) async throws(CacheError) -> Answer {
        state.withLock { $0.batches += 1 }
        let outcome = await outcome(.writes, body)
        await state.withLock { $0.writeHook }?()
        return try outcome.get()
    }

    /// Asks without changing anything.
    func asking<Answer: Sendable>(
        _ call: StoreCalls = .upkeep, _ body: @Sendable (VersionedCells, Timestamp) -> Answer
    ) async throws(CacheError) -> Answer {
        try await changing(call) { held, now in body(held, now) }
    }

    /// Changes something that is no write of anybody's.
    func changing<Answer: Sendable>(
        _ call: StoreCalls = .upkeep, _ body: @Sendable (inout VersionedCells, Timestamp) -> Answer
    ) async throws(CacheError) -> Answer {
        let outcome = await outcome(call) { (held: inout VersionedCells, _, now) in body(&held, now) }
        if case .failure = outcome { state.withLock { $0.refusedQuestions += 1 } }
        return try outcome.get()
    }

    /// How many questions an outage refused.
    public var refusedQuestions: Int { state.withLock { $0.refusedQuestions } }

    /// What it holds: values, records and marks. Settable, as a remote may lose anything.
    public var held: VersionedCells {
        get { state.withLock { $0.held } }
        set { state.withLock { $0.held = newValue } }
    }

    /// Whether the remote answers.
    public func ping() async throws(CacheError) {
        let outcome: Result<Void, CacheError> = await outcome(.reads) { _, _, _ in }
        try outcome.get()
    }

    /// Tells of what ``tell(_:)`` is given; unlike a real store it begins with nothing.
    public func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async {
        let tells = state.withLock { state in
            if state.following != nil { state.follower = body }
            return state.following != nil
        }
        while tells, (try? await Task.sleep(for: .seconds(3600))) != nil {}
        state.withLock { $0.follower = nil }
    }

    /// What it was told to say.
    public var following: RemoteFollowing { state.withLock { $0.following ?? .absent } }

    /// Opens it again for a next cache, with all that it holds.
    public func reopen() { state.withLock { $0.isClosed = false } }

    /// Every later call throws ``CacheError/Code/shutdown``.
    public func close() async { state.withLock { $0.isClosed = true } }
}
