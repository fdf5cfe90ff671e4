public import CacheKit
public import CacheKitCore
import Synchronization

/// A local store in memory with the promises of a real one, but for surviving the process.
public final class SimulatedLocalStore: LocalStore, LocalStoreProvider {
    private struct State {
        var rows: [CacheKey: StoredEntry] = [:]
        var clock = HybridLogicalClock()
        var sequence: UInt64 = 0
        var watermark = ChangeSequence.zero
        var deadLetters: [DeadLetter] = []
        var failure: CacheError?
        var readFailure: CacheError?
        var feedFailure: CacheError?
        var altered: Set<CacheKey> = []
        var isClosed = false
        var hasForeignCommits = false
        var lease: Int?
        var leaseCount = 0
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

    private let state = Mutex(State())
    private let clock: any CacheClock

    /// An empty store.
    public init(clock: any CacheClock) {
        self.clock = clock
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
    public var deadLetters: [DeadLetter] { state.withLock { $0.deadLetters } }

    /// This very store.
    public func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }

    /// What is held for each key.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] {
        let entries = try using { state in
            state.altered.isDisjoint(with: keys) ? keys.map { state.rows[$0] } : nil
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
        return try using(writing: true) { state in changes.map { Self.apply($0, .local, now, &state) } }
    }

    /// Every call goes through here: a store that was told to fail, or is closed, says so and changes nothing.
    private func using<Result>(
        writing: Bool = false, _ body: (inout sending State) -> sending Result
    ) throws(CacheError) -> Result {
        let result: Swift.Result<Result, CacheError> = state.withLock { state in
            if state.isClosed { return .failure(CacheError(.shutdown, "the store was closed; open it again")) }
            if let failure = writing ? state.failure : state.readFailure { return .failure(failure) }
            return .success(body(&state))
        }
        return try result.get()
    }

    private static func apply(
        _ change: LocalChange, _ origin: EntryOrigin, _ now: Timestamp, _ state: inout State
    ) -> ChangeSequence {
        state.sequence += 1
        state.altered.remove(change.key)
        let sequence = ChangeSequence(state.sequence)
        state.rows[change.key] = StoredEntry(
            value: change.value, form: change.value == nil ? .plain : change.form, mode: change.mode,
            version: Version(stamp: state.clock.next(at: now), node: 1), sequence: sequence, origin: origin,
            expiresAt: change.expiresAt, staleAt: change.staleAt)
        return sequence
    }

    /// Keeps values from the remote where nothing changed meanwhile.
    @discardableResult
    public func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] {
        let now = clock.now()
        return try using(writing: true) { state in
            fills.map { fill in
                let row = state.rows[fill.change.key]
                let isPending = row.map { $0.origin == .local && $0.sequence > state.watermark } ?? false
                guard row?.sequence == fill.expected, !isPending else { return false }
                _ = Self.apply(fill.change, .remote, now, &state)
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
            var bytes = 0
            var changes: [Change] = []
            let rows = state.rows.filter { $0.value.sequence > after && (origin == nil || $0.value.origin == origin) }
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
            let rows = state.rows.filter { $0.value.sequence > after }
                .sorted { $0.value.sequence < $1.value.sequence }
            let page = rows.prefix(limit)
            let last = page.count == rows.count ? ChangeSequence(state.sequence) : page.last?.value.sequence ?? after
            let intact = page.filter { !state.altered.contains($0.key) }
            return ChangedKeys(
                keys: intact.map { ChangedKeys.Element(key: $0.key, sequence: $0.value.sequence) }, through: last,
                unreadable: page.count - intact.count)
        }
    }

    /// The highest sequence.
    public func lastSequence() async throws(CacheError) -> ChangeSequence {
        try using { ChangeSequence($0.sequence) }
    }

    /// The watermark.
    public func watermark() async throws(CacheError) -> ChangeSequence { try using { $0.watermark } }

    /// Moves the watermark up.
    public func settle(through sequence: ChangeSequence, deadLetters: [DeadLetter]) async throws(CacheError) {
        try using(writing: true) { state in
            state.watermark = max(state.watermark, sequence)
            state.deadLetters += deadLetters
        }
    }

    /// What waits.
    public func backlog() async throws(CacheError) -> Backlog {
        try using { state in
            let pending = state.rows.values.filter { $0.origin == .local && $0.sequence > state.watermark }
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

    /// Rows under another key, in order of their changes.
    public func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep {
        try using { state in
            var step = ResealStep()
            var bytes = 0
            let start = ChangeSequence(UInt64(cursor?.position ?? 0))
            let rows = state.rows.filter { $0.value.sequence > start }
            for (key, entry) in rows.sorted(by: { $0.value.sequence < $1.value.sequence }) {
                if step.rows.count >= limit || (!step.rows.isEmpty && bytes >= byteLimit) { return step }
                step.scanned += 1
                step.next = RowCursor(part: 0, position: Int64(entry.sequence.number))
                guard case .sealed(let used) = entry.form, used != fingerprint else { continue }
                guard Self.isSettled(entry, state) else {
                    step.waiting += 1
                    continue
                }
                bytes += entry.value?.count ?? 0
                step.rows.append(Change(key: key, entry: entry))
            }
            step.next = nil
            return step
        }
    }

    /// Replaces values where nothing changed meanwhile.
    @discardableResult
    public func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool] {
        try using(writing: true) { state in
            values.map { resealed in
                guard let row = state.rows[resealed.key], row.sequence == resealed.expected,
                    Self.isSettled(row, state), case .sealed(let used) = row.form, used != resealed.fingerprint
                else { return false }
                state.rows[resealed.key]?.value = resealed.value
                state.rows[resealed.key]?.form = .sealed(resealed.fingerprint)
                return true
            }
        }
    }

    private static func isSettled(_ row: StoredEntry, _ state: State) -> Bool {
        let watermark = state.watermark
        guard row.origin == .remote || row.sequence <= watermark else { return false }
        return !state.deadLetters.contains { $0.sequence == row.sequence }
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

    /// What is held.
    public func statistics() async throws(CacheError) -> LocalStoreStatistics {
        let backlog = try await backlog()
        return try using { state in
            LocalStoreStatistics(
                entries: state.rows.values.filter { !$0.isTombstone }.count,
                tombstones: state.rows.values.filter(\.isTombstone).count,
                valueBytes: state.rows.values.reduce(0) { $0 + ($1.value?.count ?? 0) }, fileBytes: 0,
                deadLetters: state.deadLetters.count, rowsByFingerprint: Self.rowsByFingerprint(state),
                lastSequence: ChangeSequence(state.sequence), watermark: state.watermark, backlog: backlog)
        }
    }

    private static func rowsByFingerprint(_ state: State) -> [KeyFingerprint: Int] {
        var counts: [KeyFingerprint: Int] = [:]
        for row in state.rows.values {
            if case .sealed(let fingerprint) = row.form { counts[fingerprint, default: 0] += 1 }
        }
        return counts
    }

    /// Every later call throws ``CacheError/Code/shutdown``.
    public func close() async { state.withLock { $0.isClosed = true } }
}
