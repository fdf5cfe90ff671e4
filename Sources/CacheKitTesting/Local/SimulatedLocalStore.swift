public import CacheKit
public import CacheKitCore
import Synchronization

/// A local store in memory with the promises of a real one, but for surviving the process; what would be on disk is its
/// ``SimulatedFile``.
public final class SimulatedLocalStore: LocalStore, LocalStoreProvider {
    struct State {
        var file: SimulatedFile
        /// The file as it would be found after a power cut.
        var synced: SimulatedFile
        var nodes: SeededRandom
        var failure: CacheError?
        var readFailure: CacheError?
        var feedFailure: CacheError?
        var altered: Set<CacheKey> = []
        var isClosed = false
        var hasForeignCommits = false
        var lease: Int?
        var leaseCount = 0
        var loadLocks: [CacheKey: Int] = [:]
        var loadLockFailure: CacheError?
    }

    private final class Lease: PusherLease {
        private let store: SimulatedLocalStore
        private let number: Int

        init(_ store: SimulatedLocalStore, _ number: Int) {
            self.store = store
            self.number = number
        }

        func release() { store.state.withLock { if $0.lease == number { $0.lease = nil } } }
    }

    let state: Mutex<State>
    let clock: any CacheClock
    let isRelaxed: Bool

    /// A store on a file, an empty one unless another is given.
    ///
    /// - Parameters:
    ///   - isRelaxed: whether commits are synced only when they are given to the pusher, and lost in a power cut before that.
    ///   - seed: what new node ids are drawn from.
    public init(
        clock: any CacheClock, file: SimulatedFile = .init(node: 1), isRelaxed: Bool = false, seed: UInt64 = 1
    ) {
        self.clock = clock
        self.isRelaxed = isRelaxed
        state = Mutex(State(file: file, synced: file, nodes: SeededRandom(seed: seed)))
    }

    /// What is on disk now: to be opened again, or copied.
    public var file: SimulatedFile { state.withLock { $0.file } }

    /// What its clock says.
    public var now: Timestamp { clock.now() }

    /// Changes what is on disk, behind the store's back.
    public func alterFile(_ body: (inout SimulatedFile) -> Void) {
        state.withLock { state in
            body(&state.file)
            state.synced = state.file
        }
    }

    /// What is on disk after a power cut. Numbers that were drawn are not drawn again.
    public var fileAfterPowerCut: SimulatedFile {
        state.withLock { state in
            var file = state.synced
            file.sequence = state.file.sequence
            file.clock = state.file.clock
            return file
        }
    }

    /// While set, commits and fills throw it.
    public func setFailure(_ error: CacheError?) { state.withLock { $0.failure = error } }

    /// While set, reads of rows, feed and watermark throw it.
    public func setReadFailure(_ error: CacheError?) { state.withLock { $0.readFailure = error } }

    /// Lets the next read of the feed throw.
    public func failNextFeed(_ error: CacheError) { state.withLock { $0.feedFailure = error } }

    /// Whether it was closed.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Commits as another process would.
    public func commitAsAnotherProcess(_ changes: [LocalChange]) async throws(CacheError) {
        try await commit(changes)
        state.withLock { $0.hasForeignCommits = true }
    }

    /// Alters the row of a key as someone without the file's keys would: it does not authenticate until it is written anew.
    public func alter(_ key: CacheKey) { state.withLock { _ = $0.altered.insert(key) } }

    /// What was given up on.
    public var deadLetters: [DeadLetter] { file.deadLetters }

    /// This very store.
    public func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }

    /// What is held for each key.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] {
        let entries = try using { state in
            state.altered.isDisjoint(with: keys) ? keys.map { state.file.rows[$0] } : nil
        }
        guard let entries else { throw Self.tampered }
        return entries
    }

    private static var tampered: CacheError {
        CacheError(.tamperedStore, "a row of the store does not authenticate; run 'cachekit doctor'")
    }

    /// Numbers and keeps changes.
    @discardableResult
    public func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        let now = clock.now()
        return try using(writing: true) { state in
            return changes.map { change in
                if let expected = change.expected, state.file.rows[change.key]?.sequence != expected { return .zero }
                state.altered.remove(change.key)
                if let row = state.file.rows[change.key], state.file.isPending(row) { state.file.superseded += 1 }
                state.file.account.made += 1
                return state.file.store(change, .local, at: now)
            }
        }
    }

    /// Every call goes through here: a store that was told to fail, or is closed, says so and changes nothing.
    func using<Result>(
        writing: Bool = false, _ body: (inout sending State) throws(CacheError) -> sending Result
    ) throws(CacheError) -> Result {
        try state.withLock { state throws(CacheError) in
            if state.isClosed { throw CacheError(.shutdown, "the store was closed; open it again") }
            if let failure = writing ? state.failure : state.readFailure { throw failure }
            defer { if !isRelaxed { state.synced = state.file } }
            return try body(&state)
        }
    }

    /// Keeps values from the remote where nothing changed meanwhile.
    @discardableResult
    public func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] {
        let now = clock.now()
        return try using(writing: true) { state in
            fills.map { fill in
                let row = state.file.rows[fill.change.key]
                guard row?.sequence == fill.expected, row.map({ state.file.isReplaceable($0) }) ?? true else {
                    return false
                }
                state.altered.remove(fill.change.key)
                _ = state.file.store(fill.change, .remote, version: fill.version, at: now)
                return true
            }
        }
    }

    /// The feed.
    public func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try takeFeedFailure()
        let changes: [Change]? = try using { state in
            // What the pusher is given has been synced.
            state.synced = state.file
            var bytes = 0
            var changes: [Change] = []
            let rows = state.file.rows.filter {
                $0.value.sequence > after && (origin == nil || $0.value.origin == origin)
            }
            for (key, entry) in rows.sorted(by: { $0.value.sequence < $1.value.sequence }) {
                bytes += entry.value?.count ?? 0
                if changes.count == limit || (!changes.isEmpty && bytes > byteLimit) { break }
                if state.altered.contains(key) { return changes.isEmpty ? nil : changes }
                changes.append(Change(key: key, entry: entry))
            }
            return changes
        }
        guard let changes else { throw Self.tampered }
        return changes
    }

    private func takeFeedFailure() throws(CacheError) {
        let failure = state.withLock { state in
            defer { state.feedFailure = nil }
            return state.feedFailure
        }
        if let failure { throw failure }
    }

    /// The feed without values.
    public func changedKeys(after: ChangeSequence, limit: Int) async throws(CacheError) -> ChangedKeys {
        try takeFeedFailure()
        return try using { state in
            let rows = state.file.rows.filter { $0.value.sequence > after }
                .sorted { $0.value.sequence < $1.value.sequence }
            let page = rows.prefix(limit)
            let last =
                page.count == rows.count ? ChangeSequence(state.file.sequence) : page.last?.value.sequence ?? after
            let intact = page.filter { !state.altered.contains($0.key) }
            return ChangedKeys(
                keys: intact.map { ChangedKeys.Element(key: $0.key, sequence: $0.value.sequence) }, through: last,
                unreadable: page.count - intact.count)
        }
    }

    /// The highest sequence.
    public func lastSequence() async throws(CacheError) -> ChangeSequence {
        try using { ChangeSequence($0.file.sequence) }
    }

    /// The watermark.
    public func watermark() async throws(CacheError) -> ChangeSequence { try using { $0.file.watermark } }

    /// What waits.
    public func backlog() async throws(CacheError) -> Backlog {
        try using { state in
            let pending = state.file.rows.values.filter { state.file.isPending($0) }
            return Backlog(
                changes: pending.count, bytes: pending.reduce(0) { $0 + ($1.value?.count ?? 0) },
                oldest: pending.map(\.version.time).min())
        }
    }

    /// Whether ``commitAsAnotherProcess(_:)`` was called since the last time.
    public func hasForeignCommits() async throws(CacheError) -> Bool {
        try using { state in
            defer { state.hasForeignCommits = false }
            return state.hasForeignCommits
        }
    }

    /// Nothing to sweep; fails only once closed.
    public func maintain() async throws(CacheError) -> Bool {
        if isClosed { throw CacheError(.shutdown, "the store was closed; open it again") }
        return false
    }

    /// The lease, once at a time.
    public func acquirePusherLease() async throws(CacheError) -> (any PusherLease)? {
        try using { state in
            guard state.lease == nil else { return nil }
            state.leaseCount += 1
            state.lease = state.leaseCount
            return Lease(self, state.leaseCount)
        }
    }

    /// Whether anybody has it.
    public func isPusherLeaseHeld() async throws(CacheError) -> Bool { try using { $0.lease != nil } }

    /// What is held.
    public func statistics() async throws(CacheError) -> LocalStoreStatistics {
        let backlog = try await backlog()
        return try using { state in
            var statistics = LocalStoreStatistics(
                entries: state.file.rows.values.filter { !$0.isTombstone }.count,
                tombstones: state.file.rows.values.filter(\.isTombstone).count,
                valueBytes: state.file.rows.values.reduce(0) { $0 + ($1.value?.count ?? 0) }, fileBytes: 0,
                deadLetters: state.file.deadLetters.count, parked: state.file.parked.count,
                conflicts: state.file.conflicts.count, rowsByFingerprint: Self.rowsByFingerprint(state),
                lastSequence: ChangeSequence(state.file.sequence), watermark: state.file.watermark, backlog: backlog)
            statistics.superseded = state.file.superseded
            return statistics
        }
    }

    private static func rowsByFingerprint(_ state: State) -> [KeyFingerprint: Int] {
        var counts: [KeyFingerprint: Int] = [:]
        for row in state.file.rows.values {
            if case .sealed(let fingerprint) = row.form { counts[fingerprint, default: 0] += 1 }
        }
        return counts
    }

    /// Every later call throws ``CacheError/Code/shutdown``.
    public func close() async { state.withLock { $0.isClosed = true } }
}
