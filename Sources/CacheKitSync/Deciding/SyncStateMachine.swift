import CacheKit
import CacheKitCore

/// Decides what the engine does next: what came of the last thing in, actions out; no clock, no I/O, no randomness of its own.
///
/// One delivery is in flight at a time, so that no bucket gets a later change before an earlier one, and the next is read and
/// prepared meanwhile. The watermark moves only over changes that have their outcome. After a failure nothing more is sent;
/// what can be settled is, and the rest is read again later. What buckets have lost is sent again in turn with what is new.
/// Where only a shard is away, its changes wait by themselves (``HeldBack``), and the watermark waits below the first of them.
struct SyncStateMachine: Sendable {
    enum Action: Sendable {
        /// Read the feed; answered by ``loaded(_:now:bucket:)``.
        case load(after: ChangeSequence, changes: Int, bytes: Int)
        /// Read these, which were held back; answered by ``reread(_:_:now:bucket:)``.
        case readHeldBack([CacheKey])
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
        /// Begin anew with what has no durable outcome.
        case startOver
        /// Nothing is left.
        case rest
        /// Nothing is left but what waits for a shard, which is tried again after this long.
        case hold(after: Duration)
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
        case loss
        case cancelled
    }

    let configuration: SyncConfiguration
    let policies: PolicyTable
    var backoff: Backoff
    var changeBound: BatchBound
    var byteBound: BatchBound
    /// What waits for shards that are away.
    var heldBack: HeldBack
    /// Whether what was held back is being read or sent.
    var isRetrying = false
    var shard: (@Sendable (Int) -> Int)?
    var uptime = Duration.zero
    /// Up to here every change has an outcome, or is held back.
    var doneThrough = ChangeSequence.zero
    /// Whether the next session goes on where the last one ended.
    private var keepsPlace = false
    var prepared: Delivery?
    var isInFlight = false
    /// Whether a delivery has ended whose outcomes are not durable.
    var isFinished = false
    /// Whether outcomes could not be made durable: none of a later change may be then, or the watermark would pass them.
    var isUnsettled = false
    private var cursor = ChangeSequence.zero
    var hasReachedEnd = false
    var stop: Stop?
    var dirtyMarks: [Int: UInt64] = [:]
    var settlingMarks: [Int: UInt64]?
    var settlingThrough = ChangeSequence.zero
    /// Changes that were set aside, until the watermark passes them.
    var setAside: [(sequence: ChangeSequence, key: CacheKey, outcome: Outcome)] = []
    /// Changes that had their outcome and were lost at the remote, and that nobody here can send again.
    var setAsideAgain: [ParkedChange] = []
    static let mostSetAside = 10_000
    /// Changes that had expired, and that the watermark has not passed.
    var expiredUnsettled = 0
    var refusals: [ChangeSequence: Int] = [:]
    var rewind: Rewind?
    /// Whether the last part that was read was sent before.
    var isRewindsTurn = true
    private var connectedSince: Timestamp?
    private var isDisconnected = false
    var ledger = MarkLedger(bucketCount: 1)
    var sending = SendingState(node: 0, watermark: .zero, sentThrough: .zero, marks: nil, fence: nil)
    /// Whether marks have to be compared before anything is sent.
    var needsMarks = true
    /// Counts losses of buckets that were found, and those that were mended.
    var losses = 0
    /// Buckets whose marks have to be compared when their shard is back.
    var uncompared: Set<Int> = []
    private(set) var activity = SyncStatus.Activity.idle
    var outcomes = SyncOutcomes()
    var lastError: CacheError?
    var consecutiveFailures: Int { max(backoff.failures, heldBack.failures) }

    /// - Parameter madeAt: what was stamped before, by another process perhaps, may have been stamped while disconnected.
    init(_ configuration: SyncConfiguration, madeAt: Timestamp? = nil) {
        self.configuration = configuration
        connectedSince = madeAt
        policies = PolicyTable(configuration.policy, configuration.namespacePolicies)
        backoff = Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
        heldBack = HeldBack(backoff)
        changeBound = BatchBound(configuration.batchChanges)
        byteBound = BatchBound(configuration.batchBytes)
    }

    /// Begins from what the store says, which another process may have moved.
    ///
    /// - Parameter shard: what each bucket fails with, where that is not the whole remote.
    mutating func begin(_ state: SendingState, bucketCount: Int, shard: (@Sendable (Int) -> Int)? = nil) {
        let keepsPlace = keepsPlace && state.node == sending.node && ledger.bucketCount == bucketCount
        self.keepsPlace = false
        self.shard = shard
        if state.node != sending.node || ledger.bucketCount != bucketCount {
            ledger = MarkLedger(bucketCount: bucketCount)
            dirtyMarks = [:]
            needsMarks = true
            uncompared = []
            let isKnown = state.marks?.bucketCount == bucketCount || state.watermark == .zero
            if !isKnown, policies.repopulates { ledger.loseAll() }
        }
        ledger.learn(state.marks, except: Set(dirtyMarks.keys))
        sending = state
        if keepsPlace {
            heldBack.drop(through: state.watermark)
            cursor = max(cursor, state.watermark)
        } else {
            heldBack.dropAll()
            setAside = []
            expiredUnsettled = 0
            cursor = state.watermark
            ledger.expectLostOnly(through: state.watermark)
        }
        doneThrough = cursor
        isRetrying = false
        prepared = nil
        isInFlight = false
        isFinished = false
        isUnsettled = false
        settlingMarks = nil
        stop = nil
        hasReachedEnd = false
        rewind = nil
        setAsideAgain = []
        activity = .pushing
    }

    /// The remote may have lost something: marks are compared before anything else is sent, and what is being sent again
    /// is begun anew.
    mutating func suspectLoss() {
        needsMarks = true
        rewind = nil
    }

    /// The remote answered; for the first time after it did not, changes from before are late.
    mutating func connected(at now: Timestamp) {
        // A clock that ran ahead must not make everything late that is stamped from now on.
        if isDisconnected || connectedSince.map({ $0 > now }) ?? false { connectedSince = now }
        isDisconnected = false
    }

    /// The task was cancelled: what is in flight is still waited for.
    mutating func cancel() { stop = stop ?? .cancelled }

    /// The store or the remote could not be asked.
    mutating func failed(_ error: CacheError, fraction: Double) {
        // A new id that could not be taken is found to be needed again.
        if case .identity = stop { stop = nil }
        stop = stop ?? .failure(error, fraction: fraction)
        if !error.concernsOneChange { heldBack.lostSight() }
        // What could not be made durable is read again.
        isUnsettled = isUnsettled || isFinished || settlingMarks != nil
        isFinished = false
        settlingMarks = nil
    }

    /// What to do next.
    ///
    /// - Parameter uptime: a time that does not jump, for the waits of shards.
    mutating func next(now: Timestamp, uptime: Duration = .zero) -> Action {
        self.uptime = uptime
        if stop == nil, !isInFlight, var delivery = prepared {
            delivery.ledger = ledger
            if shard != nil {
                let isAgain = delivery.terms.isResend || delivery.terms.wereHeldBack
                delivery.holdBack { isAgain ? isPaused($0) : heldBack.waits($0, shard: shard(of: $0)) }
            }
            prepared = nil
            isInFlight = true
            return .deliver(delivery)
        }
        if let settlement = settlement() { return .settle(settlement) }
        if let stop { return isInFlight ? .awaitDelivery : end(stop) }
        if prepared == nil {
            if !isRetrying {
                let due = heldBack.due(
                    at: uptime, most: changeBound.current, bytes: byteBound.current, shard: shard(of:))
                if !due.isEmpty {
                    isRetrying = true
                    return .readHeldBack(due)
                }
            }
            let isRewinding = rewind != nil || ledger.lost.keys.contains { !isPaused($0) }
            if isRewinding, isRewindsTurn || hasReachedEnd {
                guard let step = rewindStep(now: now) else { return .awaitDelivery }
                return .rewind(step)
            }
            if !hasReachedEnd, !heldBack.isFull, setAside.count < Self.mostSetAside {
                return .load(after: cursor, changes: changeBound.current, bytes: byteBound.current)
            }
        }
        if isInFlight { return .awaitDelivery }
        return rest()
    }

    /// Nothing can be done now.
    private mutating func rest() -> Action {
        let buckets = heldBack.changes.values.map(\.bucket) + Array(uncompared) + Array(ledger.lost.keys)
        heldBack.forgetShards(but: Set(buckets.map { shard(of: $0) }))
        succeed()
        keepsPlace = !heldBack.changes.isEmpty
        if let wait = heldBack.wait(at: uptime) {
            activity = .backingOff
            return .hold(after: wait)
        }
        activity = .idle
        return .rest
    }

    private mutating func end(_ stop: Stop) -> Action {
        switch stop {
        case .cancelled: return .rest
        case .identity: return .reidentify
        case .loss: return .startOver
        case .failure(let error, let fraction): return fail(error, fraction)
        }
    }

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
            attemptsPerChange: configuration.attemptsPerChange, isResend: isResend, hasShards: shard != nil)
    }

    /// The delivery in flight has ended.
    mutating func delivered(_ end: End, fraction: Double, uptime: Duration = .zero) {
        self.uptime = uptime
        isInFlight = false
        let delivery: Delivery
        switch end {
        case .finished(let ended):
            delivery = ended
            if let error = note(answered: ended.answered, away: ended.away, fraction: fraction) {
                failed(delivery, error, fraction)
            } else {
                finish(delivery)
            }
        case .failed(let error, let ended):
            delivery = ended
            failed(delivery, error, fraction)
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
}
