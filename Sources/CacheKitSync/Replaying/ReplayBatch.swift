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
    private(set) var items: [Item]
    private(set) var refusal: CacheError?
    private var failure: CacheError?
    /// The items that the last step was about, and by which push.
    private var asked: [Int] = []
    private var askedByPush: [[Int]] = []

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

    private func restamp(_ index: Int) -> Restamp {
        var above: Version?
        if case .stamp(let version) = items[index].phase { above = version }
        let change = items[index].change
        return Restamp(key: change.key, sequence: change.entry.sequence, above: above)
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
            if case .stamp(above: nil) = items[index].phase, version.time < old.time {
                items[index].change.entry.expiresAt = items[index].change.entry.expiresAt.advanced(
                    by: old.time.duration(to: version.time))
            }
            items[index].change.entry.version = version
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

    private mutating func isAnswered(_ count: Int, of expected: Int) -> Bool {
        if count != expected {
            failure = CacheError(.internalFault, "a store answered for another number of changes")
        }
        return count == expected
    }

    private mutating func push(_ indices: [Int], at now: Timestamp) -> Step {
        var pushes: [BucketPush] = []
        asked = indices
        askedByPush = []
        var bytes = 0
        for index in indices.sorted(by: { (items[$0].bucket, $0) < (items[$1].bucket, $1) }) {
            let write: VersionedWrite
            do {
                write = try self.write(index, at: now)
            } catch {
                return .failed(error)
            }
            let bucket = items[index].bucket
            // A script call is bounded in keys and bytes; a larger value goes alone.
            if pushes.last?.bucket != bucket || pushes[pushes.count - 1].writes.count >= 256 || bytes >= 256 << 10 {
                bytes = 0
                askedByPush.append([])
                pushes.append(
                    BucketPush(
                        bucket: bucket, writes: [], node: terms.node, expectedMark: 0, mark: 0,
                        recordsMayBeLost: false, now: now))
            }
            if case .put(let value, _) = write.action { bytes += value.count }
            pushes[pushes.count - 1].writes.append(write)
            askedByPush[pushes.count - 1].append(index)
        }
        return .push(pushes)
    }

    private func write(_ index: Int, at now: Timestamp) throws(CacheError) -> VersionedWrite {
        let item = items[index]
        let entry = item.change.entry
        var action = VersionedWrite.Action.delete
        var fingerprint = ValueFingerprint.none
        var end = entry.expiresAt
        if let value = entry.value {
            fingerprint = try ValueFingerprint(of: value, form: entry.form)
            var life = now.duration(to: entry.expiresAt)
            if item.isPending, item.policy.pendingKeepsAlive {
                life = max(life, entry.version.time.duration(to: entry.expiresAt))
            }
            // One that ended since it was chosen ends there at once.
            life = max(life, .milliseconds(1))
            action = .put(value, timeToLive: life)
            end = now.advanced(by: life)
        }
        let isTooOld = entry.version.time.duration(to: now) > terms.tombstoneLife
        return VersionedWrite(
            key: item.change.key, action: action, version: entry.version, fingerprint: fingerprint, base: item.base,
            isLate: true, isTooOld: isTooOld && !terms.sendsTooOld,
            acceptsAbsence: item.policy.absent == .apply || terms.policy == .localWins, isResend: false,
            isRepair: true, recordExpiresAt: end)
    }

    /// What came of the pushes of the last step.
    mutating func weighed(_ answers: [BucketAnswer]) {
        guard isAnswered(answers.count, of: askedByPush.count) else { return }
        for (asked, answer) in zip(askedByPush, answers) {
            switch answer {
            case .failed(let error): for index in asked { refuse(index, error) }
            case .weighed(_, let verdicts):
                guard isAnswered(verdicts.count, of: asked.count) else { return }
                for (index, verdict) in zip(asked, verdicts) { weigh(verdict, index) }
            }
        }
    }

    /// What would come of the pushes of the last step, from what the remote holds for their keys.
    mutating func forecast(_ pushes: [BucketPush], _ views: [RemoteView]) {
        let writes = pushes.flatMap { push in push.writes.map { (write: $0, now: push.now) } }
        guard isAnswered(views.count, of: writes.count) else { return }
        for ((index, weighed), view) in zip(zip(askedByPush.joined(), writes), views) {
            weigh(VerdictForecast(write: weighed.write, view: view, now: weighed.now).verdict(), index)
            if case .inspect = items[index].phase { items[index].phase = .done(.remoteWon) }
        }
    }

    private mutating func refuse(_ index: Int, _ error: CacheError) {
        guard error.concernsOneChange else {
            failure = failure ?? error
            return
        }
        refusal = refusal ?? error
        items[index].phase = .done(.failed)
    }

    private mutating func weigh(_ verdict: Verdict, _ index: Int) {
        switch verdict {
        case .applied: items[index].phase = .done(items[index].raises > 0 ? .localWon : .applied)
        case .already: items[index].phase = .done(.already)
        case .clash: items[index].phase = .done(.clash)
        case .tooOld: items[index].phase = .done(.tooOld)
        case .failed(let error): refuse(index, error)
        case .stale(let record): weighStale(record, index)
        case .foreign(let seen): weighForeign(seen, index)
        case .absent:
            items[index].phase = terms.policy == .remoteWins ? .inspect(.absent) : .done(.absent)
        }
    }

    private mutating func weighStale(_ record: RemoteRecord, _ index: Int) {
        let entry = items[index].change.entry
        let own = entry.value.flatMap { try? ValueFingerprint(of: $0, form: entry.form) } ?? .none
        if (record.kind == .tombstone) == entry.isTombstone, record.fingerprint == own {
            // This very value under another version: it was sent under an older node id, or by a copy of this file.
            items[index].phase = .done(.already)
        } else if record.version.node == terms.node {
            items[index].phase = .done(.superseded)
        } else if terms.policy == .localWins, items[index].raises < Self.mostRaises {
            items[index].raises += 1
            items[index].phase = .stamp(above: record.version)
        } else {
            items[index].phase = terms.policy == .remoteWins ? .inspect(.stale) : .done(.newer)
        }
    }

    private mutating func weighForeign(_ seen: ValueFingerprint, _ index: Int) {
        if terms.policy == .localWins, items[index].raises < Self.mostRaises {
            // Sent again on condition of what was seen.
            items[index].raises += 1
            items[index].base = [seen] + items[index].change.entry.base.prefix(1)
            items[index].phase = .send
        } else {
            items[index].phase = terms.policy == .remoteWins ? .inspect(.foreign) : .done(.foreign)
        }
    }
}
