import CacheKit
import CacheKitCore

/// Decides what happens to one batch of a replay: steps out, what came of them in; no clock, no I/O.
///
/// Every write asks who wrote before it and mends what is there, expects no mark and leaves none: what the engine knows of
/// the remote's buckets stays as it is.
struct ReplayBatch: Sendable {
    enum Step: Sendable {
        /// Give versions; answered by ``restamped(_:)``.
        case restamp([Restamp])
        /// Send; answered by ``weighed(_:)``.
        case push([BucketPush])
        /// Look at what changes lost against; answered by ``inspected(_:at:checking:)``.
        case inspect([CacheKey])
        /// Take it over; answered by ``resolved(_:)``.
        case resolve([Resolution])
        /// Every change has its outcome.
        case finished
        /// Nothing is known of some changes: the batch is to be sent again.
        case failed(CacheError)
    }

    enum Phase: Sendable {
        case stamp(above: Version?)
        case send
        case inspect(Resolution.Loss)
        case resolve(Resolution)
        case done(ReplayOutcome)
    }

    struct Item: Sendable {
        var change: Change
        let bucket: Int
        let policy: SyncPolicy
        let isPending: Bool
        var phase: Phase
        var base: [ValueFingerprint]
        /// How often it was sent again against what it had lost to.
        var raises = 0
    }

    /// What holds for the whole batch.
    struct Terms: Sendable {
        var node: UInt64
        var watermark: ChangeSequence
        var sentThrough: ChangeSequence
        var tombstoneLife: Duration
        var policy = ReplayOptions.Policy.report
        var sendsTooOld = false
    }

    static let mostRaises = 8

    let terms: Terms
    var items: [Item]
    var refusal: CacheError?
    var failure: CacheError?
    /// The items that the last step was about, and by which push.
    var asked: [Int] = []
    var askedByPush: [[Int]] = []

    init(
        _ changes: [Change], _ terms: Terms, now: Timestamp, bucket: (CacheKey) -> Int,
        policy: (CacheKey) -> SyncPolicy
    ) {
        self.terms = terms
        items = changes.map { change in
            let version = change.entry.version
            let isFirstSend = change.entry.sequence > terms.sentThrough
            let isAhead = version.time > now.advanced(by: .seconds(1)) || version.node != terms.node
            return Item(
                change: change, bucket: bucket(change.key), policy: policy(change.key),
                isPending: change.entry.sequence > terms.watermark,
                phase: isFirstSend && isAhead ? .stamp(above: nil) : .send, base: change.entry.base)
        }
    }

    /// What came of the changes; of those without an outcome, nothing.
    var counts: ReplayCounts {
        var counts = ReplayCounts()
        for case .done(let outcome) in items.map(\.phase) { counts[outcome] += 1 }
        return counts
    }

    /// The highest change that is pending; `nil` where none is.
    var lastPending: ChangeSequence? { items.last { $0.isPending }?.change.entry.sequence }

    /// What to do next, given the remote's time.
    mutating func next(at now: Timestamp) -> Step {
        if let failure { return .failed(failure) }
        let stamping = indices { if case .stamp = $0 { true } else { false } }
        if !stamping.isEmpty {
            asked = stamping
            return .restamp(stamping.map(restamp))
        }
        let sending = indices { if case .send = $0 { true } else { false } }
        if !sending.isEmpty { return push(sending, at: now) }
        let inspecting = indices { if case .inspect = $0 { true } else { false } }
        if !inspecting.isEmpty {
            asked = inspecting
            return .inspect(inspecting.map { items[$0].change.key })
        }
        let resolving = indices { if case .resolve = $0 { true } else { false } }
        guard !resolving.isEmpty else { return .finished }
        asked = resolving
        return .resolve(
            resolving.compactMap { if case .resolve(let resolution) = items[$0].phase { resolution } else { nil } })
    }

    private func indices(_ condition: (Phase) -> Bool) -> [Int] {
        items.indices.filter { condition(items[$0].phase) }
    }

    /// Whether a change's life begins when it is sent, and so is counted from its version.
    private func keepsLife(_ index: Int) -> Bool {
        items[index].isPending && items[index].policy.pendingKeepsAlive(for: items[index].change.entry)
    }

    private func restamp(_ index: Int) -> Restamp {
        var above: Version?
        if case .stamp(let version) = items[index].phase { above = version }
        let change = items[index].change
        return Restamp(
            key: change.key, sequence: change.entry.sequence, above: above, keepsLife: keepsLife(index))
    }

    /// The new versions; the ends of what was set back move with it.
    mutating func restamped(_ versions: [Version?]) {
        guard isAnswered(versions.count, of: asked.count) else { return }
        for (index, version) in zip(asked, versions) {
            guard let version else {
                items[index].phase = .done(.superseded)
                continue
            }
            let old = items[index].change.entry.version
            // A life that would end before it began was not counted from the stamp, and stays as it is.
            if case .stamp(above: nil) = items[index].phase, version.time < old.time,
                items[index].change.entry.staleAt > old.time
            {
                items[index].change.entry.move(by: old.time.duration(to: version.time))
            }
            if case .stamp(above: .some) = items[index].phase, keepsLife(index) {
                items[index].change.entry.raise(to: version)
            } else {
                items[index].change.entry.version = version
            }
            items[index].phase = .send
        }
    }

    /// The versions that changes would be given.
    func assumedVersions(at now: Timestamp) -> [Version?] {
        asked.map { index in
            let current = items[index].change.entry.version
            var clock = HybridLogicalClock()
            var stamp = clock.next(at: now)
            if case .stamp(let above?) = items[index].phase {
                clock.observe(above.stamp)
                stamp = clock.next(at: now)
            } else if current.time <= now {
                stamp = current.stamp
            }
            return Version(stamp: stamp, node: terms.node)
        }
    }

    /// What took the place of changes at the remote is looked at.
    mutating func inspected(
        _ views: [RemoteView], at now: Timestamp,
        checking: (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) {
        guard isAnswered(views.count, of: asked.count) else { return }
        for (index, view) in zip(asked, views) {
            guard case .inspect(let loss) = items[index].phase else { continue }
            let change = items[index].change
            items[index].phase = .resolve(
                Resolution(
                    sequence: change.entry.sequence, winner: Delivery.winner(change, view.entry, at: now, checking),
                    version: view.version, loss: loss))
        }
    }

    /// Which rows were replaced; the others had been written anew.
    mutating func resolved(_ replaced: [Bool]) {
        guard isAnswered(replaced.count, of: asked.count) else { return }
        for (index, isReplaced) in zip(asked, replaced) {
            items[index].phase = .done(isReplaced ? .remoteWon : .superseded)
        }
    }

    mutating func isAnswered(_ count: Int, of expected: Int) -> Bool {
        if count != expected {
            failure = CacheError(.internalFault, "a store answered for another number of changes")
        }
        return count == expected
    }
}
