import CacheKit
import CacheKitCore

/// Decides what the engine does next: what came of the last thing in, actions out; no clock, no I/O, no randomness of its own.
///
/// One delivery is in flight at a time, so that no bucket gets a later change before an earlier one, and the next is read and
/// prepared meanwhile. The watermark moves only over changes that have their outcome. After a failure nothing more is sent;
/// what can be settled is, and the rest is read again later. What buckets have lost is sent again in turn with what is new.
struct SyncStateMachine: Sendable {
    enum Action: Sendable {
        /// Read the feed; answered by ``loaded(_:now:bucket:)``.
        case load(after: ChangeSequence, changes: Int, bytes: Int)
        /// Part of sending again what was lost.
        case rewind(Rewind.Step)
        /// Carry it beside whatever comes next; answered by ``delivered(_:fraction:)``.
        case deliver(Delivery)
        /// Wait until the delivery in flight has ended.
        case awaitDelivery
        /// Make it durable; answered by ``settled()``.
        case settle(Settlement)
        /// Take another node id, then begin anew.
        case reidentify
        /// Nothing is left.
        case rest
        /// Try again after this long.
        case retry(after: Duration)
    }

    /// How a delivery ended.
    enum End: Sendable {
        case finished(Delivery)
        case failed(CacheError, Delivery)
        case needsIdentity(Delivery)
    }

    enum Stop: Sendable {
        case failure(CacheError, fraction: Double)
        case identity
        case cancelled
    }

    let configuration: SyncConfiguration
    let policies: PolicyTable
    private var backoff: Backoff
    private var changeBound: BatchBound
    private var byteBound: BatchBound
    private var prepared: Delivery?
    private(set) var isInFlight = false
    private var finished: Delivery?
    /// Whether outcomes could not be made durable: none of a later change may be then, or the watermark would pass them.
    private var isUnsettled = false
    private var cursor = ChangeSequence.zero
    private var hasReachedEnd = false
    var stop: Stop?
    var dirtyMarks: [Int: UInt64] = [:]
    private var settlingMarks: [Int: UInt64]?
    private var refusals: [ChangeSequence: Int] = [:]
    var rewind: Rewind?
    /// Whether the last part that was read was sent before.
    var isRewindsTurn = true
    private var connectedSince: Timestamp?
    private var isDisconnected = false
    var ledger = MarkLedger(bucketCount: 1)
    private(set) var sending = SendingState(node: 0, watermark: .zero, sentThrough: .zero, marks: nil, fence: nil)
    /// Whether marks have to be compared before anything is sent.
    private(set) var needsMarks = true
    private(set) var activity = SyncStatus.Activity.idle
    private(set) var outcomes = SyncOutcomes()
    private(set) var lastError: CacheError?
    var consecutiveFailures: Int { backoff.failures }

    init(_ configuration: SyncConfiguration) {
        self.configuration = configuration
        policies = PolicyTable(configuration.policy, configuration.namespacePolicies)
        backoff = Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
        changeBound = BatchBound(configuration.batchChanges)
        byteBound = BatchBound(configuration.batchBytes)
    }

    /// Begins from what the store says, which another process may have moved.
    mutating func begin(_ state: SendingState, bucketCount: Int) {
        if state.node != sending.node || ledger.bucketCount != bucketCount {
            ledger = MarkLedger(bucketCount: bucketCount)
            dirtyMarks = [:]
            needsMarks = true
            let isKnown = state.marks?.bucketCount == bucketCount || state.watermark == .zero
            if !isKnown, policies.repopulates { ledger.loseAll() }
        }
        ledger.learn(state.marks, except: Set(dirtyMarks.keys))
        sending = state
        cursor = state.watermark
        prepared = nil
        isInFlight = false
        finished = nil
        isUnsettled = false
        settlingMarks = nil
        stop = nil
        hasReachedEnd = false
        rewind = nil
        activity = .pushing
    }

    /// The remote may have lost something: marks are compared before anything else is sent, and what is being sent again
    /// is begun anew.
    mutating func suspectLoss() {
        needsMarks = true
        rewind = nil
    }

    /// Whether a bucket has lost records, or nobody knows: its marks were not compared since that may have happened.
    func mayHaveLost(_ bucket: Int) -> Bool { needsMarks || ledger.lost[bucket] != nil }

    /// The remote answered; for the first time after it did not, changes from before are late.
    mutating func connected(at now: Timestamp) {
        if isDisconnected { connectedSince = now }
        isDisconnected = false
    }

    /// Marks found when they were compared.
    mutating func compared(_ found: [(bucket: Int, mark: UInt64?)]) {
        needsMarks = false
        for (bucket, mark) in found { weigh(mark, bucket: bucket) }
    }

    /// The task was cancelled: what is in flight is still waited for.
    mutating func cancel() { stop = stop ?? .cancelled }

    /// The store or the remote could not be asked.
    mutating func failed(_ error: CacheError, fraction: Double) {
        // A new id that could not be taken is found to be needed again.
        if case .identity = stop { stop = nil }
        stop = stop ?? .failure(error, fraction: fraction)
        // What could not be made durable is read again.
        isUnsettled = isUnsettled || finished != nil
        finished = nil
        settlingMarks = nil
    }

    /// What to do next.
    mutating func next(now: Timestamp) -> Action {
        if stop == nil, !isInFlight, var delivery = prepared {
            delivery.ledger = ledger
            prepared = nil
            isInFlight = true
            return .deliver(delivery)
        }
        if let settlement = settlement() { return .settle(settlement) }
        if let stop { return isInFlight ? .awaitDelivery : end(stop) }
        if prepared == nil {
            let isRewinding = rewind != nil || !ledger.lost.isEmpty
            if isRewinding, isRewindsTurn || hasReachedEnd {
                guard let step = rewindStep(now: now) else { return .awaitDelivery }
                return .rewind(step)
            }
            if !hasReachedEnd {
                return .load(after: cursor, changes: changeBound.current, bytes: byteBound.current)
            }
        }
        if isInFlight { return .awaitDelivery }
        activity = .idle
        succeed()
        return .rest
    }

    private mutating func end(_ stop: Stop) -> Action {
        switch stop {
        case .cancelled: return .rest
        case .identity: return .reidentify
        case .failure(let error, let fraction): return fail(error, fraction)
        }
    }

    /// What can be made durable: the outcomes of a finished delivery; marks alone only when nothing else is to be done.
    private mutating func settlement() -> Settlement? {
        let isQuiet = prepared == nil && !isInFlight && hasReachedEnd && stop == nil
        guard finished != nil || (isQuiet && !keptMarks.isEmpty) else { return nil }
        var settlement = Settlement(through: finished?.last ?? sending.watermark)
        for item in finished?.items ?? [] {
            guard case .done(let outcome) = item.phase else { continue }
            let sequence = item.change.entry.sequence
            switch outcome {
            case .deadLettered(let error):
                settlement.deadLetters.append(DeadLetter(sequence: sequence, key: item.change.key, reason: error))
            case .parked(let reason):
                settlement.parked.append(ParkedChange(sequence: sequence, key: item.change.key, reason: reason))
            default: break
            }
        }
        if !keptMarks.isEmpty {
            settlement.marks = RemoteMarks(bucketCount: ledger.bucketCount, sequences: keptMarks)
        }
        settlingMarks = keptMarks
        return settlement
    }

    private var keptMarks: [Int: UInt64] { ledger.isUnknown ? [:] : dirtyMarks }

    /// What the feed holds above the cursor: to be prepared and given to ``prepared(_:)``, unless there is nothing.
    mutating func loaded(_ changes: [Change], now: Timestamp, bucket: (CacheKey) -> Int) -> Delivery? {
        isRewindsTurn = true
        guard let last = changes.last else {
            hasReachedEnd = true
            return nil
        }
        cursor = last.entry.sequence
        return Delivery(
            changes, terms(isResend: false), refusals, now: now, bucket: bucket, policy: policies.policy(for:))
    }

    /// A delivery is ready to be sent: the versions of its changes are final.
    mutating func prepared(_ delivery: Delivery) {
        if !delivery.terms.isResend { sending.sentThrough = max(sending.sentThrough, delivery.last) }
        prepared = delivery
    }

    func terms(isResend: Bool) -> Delivery.Terms {
        Delivery.Terms(
            node: sending.node, sentThrough: sending.sentThrough, connectedSince: connectedSince,
            lateAfter: configuration.lateAfter, tombstoneLife: configuration.tombstoneLife,
            attemptsPerChange: configuration.attemptsPerChange, isResend: isResend)
    }

    /// The delivery in flight has ended.
    mutating func delivered(_ end: End, fraction: Double) {
        isInFlight = false
        let delivery: Delivery
        switch end {
        case .finished(let ended):
            delivery = ended
            changeBound.succeeded()
            byteBound.succeeded()
            // Something may have been committed meanwhile.
            hasReachedEnd = false
            if delivery.terms.isResend {
                outcomes.resent += delivery.items.count
            } else if !isUnsettled {
                finished = delivery
            }
        case .failed(let error, let ended):
            delivery = ended
            if error.code == .remoteTimeout, delivery.items.count > 1 {
                changeBound.timedOut(at: delivery.items.count)
                byteBound.timedOut(at: delivery.items.reduce(0) { $0 + ($1.change.entry.value?.count ?? 0) })
            }
            failed(error, fraction: fraction)
        case .needsIdentity(let ended):
            delivery = ended
            stop = stop ?? .identity
        }
        if !delivery.terms.isResend { countFinal(delivery) }
        refusals.merge(delivery.refusals) { max($0, $1) }
        for observation in delivery.observations {
            let finding = weigh(observation.found, bucket: observation.bucket)
            // A bucket that is taken as it was found has not moved its mark.
            guard finding != .higher, finding == .asExpected || policies.repopulates else { continue }
            ledger.acknowledged(
                observation.sequence, bucket: observation.bucket, mark: observation.mark,
                moved: finding == .asExpected || observation.found ?? 0 >= observation.expected)
            dirtyMarks[observation.bucket] = ledger.expected[observation.bucket]
        }
    }

    /// Whatever becomes of the batch, these have their outcome: what took their place is durable.
    private mutating func countFinal(_ delivery: Delivery) {
        for item in delivery.items {
            if case .done(let outcome) = item.phase, outcome.isFinalHere { outcomes.count(outcome) }
        }
    }

    /// The settlement is durable.
    mutating func settled() {
        for item in finished?.items ?? [] {
            guard case .done(let outcome) = item.phase else { continue }
            if !outcome.isFinalHere { outcomes.count(outcome) }
        }
        if let last = finished?.last { sending.watermark = max(sending.watermark, last) }
        if !refusals.isEmpty { refusals = refusals.filter { $0.key > sending.watermark } }
        finished = nil
        for (bucket, mark) in settlingMarks ?? [:] where dirtyMarks[bucket] == mark { dirtyMarks[bucket] = nil }
        settlingMarks = nil
        if stop == nil { succeed() }
    }

    private mutating func fail(_ error: CacheError, _ fraction: Double) -> Action {
        lastError = error
        if !error.concernsOneChange {
            isDisconnected = true
            needsMarks = true
        }
        activity = error.needsOperator ? .paused : .backingOff
        let wait = backoff.next(fraction: fraction)
        // A wrong password is not mended by asking often: the longest wait, until then or until someone pushes by hand.
        return .retry(after: error.needsOperator ? backoff.longest : wait)
    }

    /// Everything so far has an outcome: what failed on the way is over.
    private mutating func succeed() {
        lastError = nil
        backoff.reset()
    }
}
