import CacheKit
import CacheKitCore

/// Decides what happens to one batch of changes: steps out, what came of them in; no clock, no I/O.
///
/// Each change goes through stamping, sending, and, where it lost, taking over what the remote holds, until it has its one
/// outcome. A batch that could not be finished is read from the feed again, which changes nothing the second time.
struct Delivery: Sendable {
    enum Step: Sendable {
        /// Give versions; answered by ``restamped(_:)``.
        case restamp([Restamp])
        /// Send; answered by ``weighed(_:)``.
        case push([BucketPush])
        /// Send without versions; answered by ``written(_:)``.
        case write([RemoteWrite])
        /// Look at what changes lost against; answered by ``inspected(_:at:checking:)``.
        case inspect([CacheKey])
        /// Take it over; answered by ``resolved(_:)``.
        case resolve([Resolution])
        /// Every change has its outcome.
        case finished
        /// Another node uses this one's id: give it a new one, and begin anew.
        case reidentify
        /// It can't be finished now.
        case failed(CacheError)
    }

    enum Phase: Sendable {
        case stamp(above: Version?)
        case send
        case inspect(Resolution.Loss)
        case resolve(Resolution)
        /// Refused by itself, and to be sent again with the next try.
        case refused
        case done(Outcome)
    }

    struct Item: Sendable {
        var change: Change
        let bucket: Int
        let policy: SyncPolicy
        var phase: Phase
        var base: [ValueFingerprint]
        /// Never sent before this batch.
        let isFirstSend: Bool
        /// How often it was given a version above the remote's.
        var raises = 0
        var wasExpired = false
        /// Its clock ran ahead, so that nobody knows how old it is.
        var wasSetBack = false
    }

    /// What holds for the whole batch.
    struct Terms: Sendable {
        var node: UInt64
        var sentThrough: ChangeSequence
        /// Changes from before this moment were stamped while disconnected.
        var connectedSince: Timestamp?
        var lateAfter: Duration
        var tombstoneLife: Duration
        var attemptsPerChange: Int
        /// Sending again what had an outcome before: nothing that comes of it changes that.
        var isResend = false
    }

    /// A change's version may be raised this often against a remote that keeps moving.
    static let mostRaises = 8

    let terms: Terms
    let last: ChangeSequence
    var items: [Item]
    /// What pushes found and left, for the ledger.
    struct Observation: Sendable {
        var bucket: Int
        var found: UInt64?
        /// What the push expected: a lower mark stayed as it was.
        var expected: UInt64
        var mark: UInt64
        /// The highest change of the push.
        var sequence: UInt64
    }

    private(set) var observations: [Observation] = []
    /// How often the remote refused a change by itself, in earlier tries and this one.
    var refusals: [ChangeSequence: Int]
    private(set) var firstRefusal: CacheError?
    var failure: CacheError?
    var needsIdentity = false
    /// The marks as they are at the moment of sending: a push expects exactly what was left by the one before, or a loss
    /// in between would go unnoticed.
    var ledger = MarkLedger(bucketCount: 1)
    /// When the last push was made.
    private(set) var weighedAt: Timestamp
    /// The items that the last step was about.
    private var asked: [Int] = []
    private var askedByPush: [[Int]] = []
    private var pushed: [Observation] = []

    init(
        _ changes: [Change], _ terms: Terms, _ refusals: [ChangeSequence: Int], now: Timestamp,
        bucket: (CacheKey) -> Int, policy: (CacheKey) -> SyncPolicy
    ) {
        self.terms = terms
        weighedAt = now
        self.refusals = refusals
        last = changes.last?.entry.sequence ?? .zero
        items = changes.map { change in
            let isFirstSend = !terms.isResend && change.entry.sequence > terms.sentThrough
            let version = change.entry.version
            let isAhead = version.time > now.advanced(by: .seconds(1)) || version.node != terms.node
            return Item(
                change: change, bucket: bucket(change.key), policy: policy(change.key),
                phase: isFirstSend && isAhead ? .stamp(above: nil) : .send, base: change.entry.base,
                isFirstSend: isFirstSend)
        }
    }

    /// What to do next, given the remote's time.
    mutating func next(at now: Timestamp) -> Step {
        if needsIdentity { return .reidentify }
        if let failure { return .failed(failure) }
        let stamps = stampsNeeded()
        if !stamps.isEmpty { return .restamp(stamps) }
        let sending = indices { if case .send = $0.phase { true } else { false } }
        let single = sending.filter { items[$0].policy.isSingleWriter }
        if !single.isEmpty { return write(single, at: now) }
        if !sending.isEmpty { return push(sending, at: now) }
        let inspecting = indices { if case .inspect = $0.phase { true } else { false } }
        if !inspecting.isEmpty {
            asked = inspecting
            return .inspect(inspecting.map { items[$0].change.key })
        }
        let resolutions = indices { if case .resolve = $0.phase { true } else { false } }
        guard resolutions.isEmpty else {
            asked = resolutions
            return .resolve(
                resolutions.compactMap {
                    if case .resolve(let resolution) = items[$0].phase { resolution } else { nil }
                })
        }
        if let firstRefusal { return .failed(firstRefusal) }
        return .finished
    }

    private func indices(where condition: (Item) -> Bool) -> [Int] {
        items.indices.filter { condition(items[$0]) }
    }

    /// Which changes need another version; answered by ``restamped(_:)``.
    mutating func stampsNeeded() -> [Restamp] {
        asked = []
        return items.indices.compactMap { index in
            guard case .stamp(let above) = items[index].phase else { return nil }
            asked.append(index)
            return Restamp(
                key: items[index].change.key, sequence: items[index].change.entry.sequence, above: above)
        }
    }

    /// The new versions; the ends of what was set back move with it.
    mutating func restamped(_ versions: [Version?]) {
        guard versions.count == asked.count else {
            failure = CacheError(.internalFault, "the local store gave another number of versions")
            return
        }
        for (index, version) in zip(asked, versions) {
            guard let version else {
                items[index].phase = .done(.superseded)
                continue
            }
            let old = items[index].change.entry.version
            if case .stamp(above: nil) = items[index].phase, version.time < old.time {
                let difference = old.time.duration(to: version.time)
                items[index].wasSetBack = true
                items[index].change.entry.expiresAt = items[index].change.entry.expiresAt.advanced(by: difference)
            }
            items[index].change.entry.version = version
            items[index].phase = .send
        }
    }

    private mutating func write(_ indices: [Int], at now: Timestamp) -> Step {
        asked = indices
        return .write(
            indices.map { index in
                let key = items[index].change.key
                guard let life = life(of: items[index], at: now), let value = items[index].change.entry.value else {
                    items[index].wasExpired = items[index].change.entry.value != nil
                    return RemoteWrite(key: key, action: .delete)
                }
                return RemoteWrite(key: key, action: .put(value, timeToLive: life))
            })
    }

    private mutating func push(_ indices: [Int], at now: Timestamp) -> Step {
        var pushes: [BucketPush] = []
        asked = []
        askedByPush = []
        pushed = []
        weighedAt = now
        var open: (bucket: Int, writes: [VersionedWrite], indices: [Int])?
        for index in indices.sorted(by: { (items[$0].bucket, $0) < (items[$1].bucket, $1) }) {
            let write: VersionedWrite
            do {
                write = try versionedWrite(index, at: now)
            } catch {
                return .failed(error)
            }
            if let full = open, full.bucket != items[index].bucket || full.writes.areFull {
                pushes.append(close(full, now))
                open = nil
            }
            var bucket = open ?? (items[index].bucket, [], [])
            bucket.writes.append(write)
            bucket.indices.append(index)
            open = bucket
        }
        if let open { pushes.append(close(open, now)) }
        return .push(pushes)
    }

    /// Makes one push of the writes of a bucket.
    private mutating func close(
        _ open: (bucket: Int, writes: [VersionedWrite], indices: [Int]), _ now: Timestamp
    ) -> BucketPush {
        let sequence = open.indices.map { items[$0].change.entry.sequence.number }.max() ?? 0
        let isLost = ledger.lost[open.bucket] != nil
        let (expected, mark) = ledger.take(open.bucket, through: sequence)
        pushed.append(
            Observation(bucket: open.bucket, found: nil, expected: expected, mark: mark, sequence: sequence))
        askedByPush.append(open.indices)
        return BucketPush(
            bucket: open.bucket, writes: open.writes, node: terms.node, expectedMark: expected, mark: mark,
            // What was settled before does not replace what is there without a record.
            recordsMayBeLost: isLost && !terms.isResend, now: now)
    }

    /// What came of the pushes of the last step.
    mutating func weighed(_ answers: [BucketAnswer]) {
        guard answers.count == askedByPush.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of pushes")
            return
        }
        for (position, answer) in answers.enumerated() {
            switch answer {
            case .failed(let error):
                for index in askedByPush[position] { refuse(index, error) }
            case .weighed(let mark, let verdicts):
                guard verdicts.count == askedByPush[position].count else {
                    failure = CacheError(.internalFault, "the remote store gave another number of verdicts")
                    return
                }
                var seen = pushed[position]
                seen.found = mark
                // What it says is not for this node to weigh.
                if (mark ?? 0) >> 16 > max(terms.sentThrough, last).number { needsIdentity = true }
                observations.append(seen)
                for (index, verdict) in zip(askedByPush[position], verdicts) { weigh(verdict, index) }
            }
        }
    }

    /// Writes without versions were answered.
    mutating func written(_ results: [RemoteWriteResult]) {
        guard results.count == asked.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of writes")
            return
        }
        for (index, result) in zip(asked, results) {
            switch result {
            case .applied: items[index].phase = .done(items[index].wasExpired ? .expired : .applied)
            case .failed(let error): refuse(index, error)
            }
        }
    }

    /// A change was refused by itself, or could not be carried.
    mutating func refuse(_ index: Int, _ error: CacheError) {
        guard error.concernsOneChange else {
            failure = failure ?? error
            return
        }
        if terms.isResend {
            items[index].phase = .done(.applied)
            return
        }
        let sequence = items[index].change.entry.sequence
        let attempts = refusals[sequence, default: 0] + 1
        refusals[sequence] = attempts
        if attempts >= terms.attemptsPerChange {
            items[index].phase = .done(.deadLettered(error))
        } else {
            firstRefusal = firstRefusal ?? error
            // The others of the batch go on.
            items[index].phase = .refused
        }
    }

    /// What the remote holds in the place of changes that lost.
    mutating func inspected(
        _ views: [RemoteView], at now: Timestamp,
        checking: (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) {
        guard views.count == asked.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of keys")
            return
        }
        for (index, view) in zip(asked, views) {
            guard case .inspect(let loss) = items[index].phase else { continue }
            let winner = Self.winner(items[index].change, view.entry, at: now, checking)
            items[index].phase = .resolve(
                Resolution(sequence: items[index].change.entry.sequence, winner: winner, loss: loss))
        }
    }

    /// The value, if it can be opened; else nothing that lasts, so that the next read asks the remote.
    private static func winner(
        _ change: Change, _ entry: RemoteEntry?, at now: Timestamp,
        _ checking: (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) -> LocalChange {
        guard let entry, let value = try? checking(change.key, entry.value) else {
            return LocalChange(key: change.key, value: nil, form: .plain, mode: change.entry.mode, expiresAt: now)
        }
        return LocalChange(
            key: change.key, value: entry.value, form: value.form, mode: value.mode,
            expiresAt: now.advanced(by: entry.remaining ?? value.timeToLive))
    }

    /// Which rows were replaced; the others had been written anew.
    mutating func resolved(_ replaced: [Bool]) {
        guard replaced.count == asked.count else {
            failure = CacheError(.internalFault, "the local store answered for another number of resolutions")
            return
        }
        for (index, isReplaced) in zip(asked, replaced) {
            guard case .resolve(let resolution) = items[index].phase else { continue }
            items[index].phase = .done(isReplaced ? .lost(resolution.loss) : .superseded)
        }
    }
}

extension [VersionedWrite] {
    /// A script call is bounded in keys and bytes; a larger value goes alone.
    fileprivate var areFull: Bool { count >= 256 || reduce(0) { $0 + $1.byteCount } >= 256 << 10 }
}

extension VersionedWrite {
    fileprivate var byteCount: Int {
        if case .put(let value, _) = action { return value.count }
        return 0
    }
}
