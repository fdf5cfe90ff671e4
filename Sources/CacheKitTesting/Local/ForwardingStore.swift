public import CacheKit
public import CacheKitCore

/// A local store before another one: a test's store says what it does otherwise, the rest is passed on.
///
/// ```swift
/// final class CountingStore: ForwardingStore {
///     let base: SimulatedLocalStore
///     let commits = Atomic(0)
///
///     init(_ base: SimulatedLocalStore) { self.base = base }
///
///     func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
///         commits.add(1, ordering: .relaxed)
///         return try await base.commit(changes)
///     }
/// }
/// ```
public protocol ForwardingStore: LocalStore {
    /// What the store behind it is.
    associatedtype Base: LocalStore
    /// The store behind it.
    var base: Base { get }
    /// Every call that is passed on goes through here.
    func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result
}

extension ForwardingStore {
    /// Nothing more.
    public func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result { try await body() }

    /// As the store behind it.
    public func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.commit(changes)
        }
    }
    /// As the store behind it.
    public func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try await passing(.feed) { () async throws(CacheError) in
            try await base.changes(after: after, origin: origin, limit: limit, byteLimit: byteLimit)
        }
    }
    /// As the store behind it.
    public func settle(_ settlement: Settlement) async throws(CacheError) -> Int {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.settle(settlement)
        }
    }
    /// As the store behind it.
    public func supersededCount() async throws(CacheError) -> Int {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.supersededCount()
        }
    }
    /// As the store behind it.
    public func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.resolve(resolutions)
        }
    }
    /// As the store behind it.
    public func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.restamp(stamps, at: now)
        }
    }
    /// As the store behind it.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.read(keys)
        }
    }
    /// As the store behind it.
    public func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.fill(fills)
        }
    }
    /// As the store behind it.
    public func changedKeys(after: ChangeSequence, limit: Int) async throws(CacheError) -> ChangedKeys {
        try await passing(.feed) { () async throws(CacheError) in
            try await base.changedKeys(after: after, limit: limit)
        }
    }
    /// As the store behind it.
    public func heldRows(after cursor: RowCursor?, limit: Int) async throws(CacheError) -> HeldRows {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.heldRows(after: cursor, limit: limit)
        }
    }
    /// As the store behind it.
    public func rowCount(through sequence: ChangeSequence) async throws(CacheError) -> Int {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.rowCount(through: sequence)
        }
    }
    /// As the store behind it.
    public func lastSequence() async throws(CacheError) -> ChangeSequence {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.lastSequence()
        }
    }
    /// As the store behind it.
    public func watermark() async throws(CacheError) -> ChangeSequence {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.watermark()
        }
    }
    /// As the store behind it.
    public func backlog() async throws(CacheError) -> Backlog {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.backlog()
        }
    }
    /// As the store behind it.
    public func hasForeignCommits() async throws(CacheError) -> Bool {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.hasForeignCommits()
        }
    }
    /// As the store behind it.
    public func maintain() async throws(CacheError) -> Bool {
        try await passing(.upkeep) { () async throws(CacheError) in
            try await base.maintain()
        }
    }
    /// As the store behind it.
    public func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.rows(sealedUnderOtherThan: fingerprint, after: cursor, limit: limit, byteLimit: byteLimit)
        }
    }
    /// As the store behind it.
    public func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.reseal(values)
        }
    }
    /// As the store behind it.
    public func acquirePusherLease() async throws(CacheError) -> (any PusherLease)? {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.acquirePusherLease()
        }
    }
    /// As the store behind it.
    public func statistics() async throws(CacheError) -> LocalStoreStatistics {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.statistics()
        }
    }
    /// As the store behind it.
    public func close() async { await base.close() }
    /// As the store behind it.
    public func sendingState() async throws(CacheError) -> SendingState {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.sendingState()
        }
    }
    /// As the store behind it.
    public func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError) {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.beginSending(through: sequence, fence: fence)
        }
    }
    /// As the store behind it.
    public func settledChanges(
        after: ChangeSequence, through: ChangeSequence, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.settledChanges(after: after, through: through, limit: limit, byteLimit: byteLimit)
        }
    }
    /// As the store behind it.
    public func isPusherLeaseHeld() async throws(CacheError) -> Bool {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.isPusherLeaseHeld()
        }
    }
    /// As the store behind it.
    public func changesSetAside(
        _ kind: SetAsideChange.Kind, after: ChangeSequence, limit: Int
    ) async throws(CacheError) -> ReviewPage<SetAsideChange> {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.changesSetAside(kind, after: after, limit: limit)
        }
    }
    /// As the store behind it.
    public func requeue(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.requeue(kind, changes)
        }
    }
    /// As the store behind it.
    public func drop(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.drop(kind, changes)
        }
    }
    /// As the store behind it.
    public func conflicts(after: ChangeSequence, limit: Int) async throws(CacheError) -> ReviewPage<KeptConflict> {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.conflicts(after: after, limit: limit)
        }
    }
    /// As the store behind it.
    public func loser(_ change: ChangeSequence) async throws(CacheError) -> Change? {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.loser(change)
        }
    }
    /// As the store behind it.
    public func forget(losers changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.forget(losers: changes)
        }
    }
    /// As the store behind it.
    public func reinstate(_ losers: [Reinstatement]) async throws(CacheError) -> [ReviewOutcome] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.reinstate(losers)
        }
    }
    /// As the store behind it.
    public func sendingProgress() async throws(CacheError) -> SendingProgress {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.sendingProgress()
        }
    }
    /// As the store behind it.
    public func note(sendingFailure error: CacheError) async throws(CacheError) {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.note(sendingFailure: error)
        }
    }
    /// As the store behind it.
    public func reidentify() async throws(CacheError) -> UInt64 {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.reidentify()
        }
    }
    /// As the store behind it.
    public func replayNotes() async throws(CacheError) -> [ReplayNote] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.replayNotes()
        }
    }
    /// As the store behind it.
    public func keepReplay(_ note: ReplayNote, replacing step: UInt64?) async throws(CacheError) -> Bool {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.keepReplay(note, replacing: step)
        }
    }
    /// As the store behind it.
    public func forgetReplay(_ id: UInt64) async throws(CacheError) {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.forgetReplay(id)
        }
    }
}
