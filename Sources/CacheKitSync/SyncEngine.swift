import CacheKit
import CacheKitCore
import Logging
import Synchronization

/// Acts on what ``SyncStateMachine`` and ``Delivery`` decide: reads the feed, sends batches, moves the watermark.
///
/// One session at a time, whether by a run for good or by a drain: they take turns, and nobody waits for anything but the two
/// stores while it is their turn. Other processes are kept out by the store's lease.
final class SyncEngine: Synchronizer {
    struct State {
        var machine: SyncStateMachine
        var stall: StallAlarm
        var learning: ClockLearning
        var sweep: RecordSweep
        var needsFence: Bool
        var evictsRecords: Bool?
        var marksComparedAt: Duration?
        /// When marks were last asked for and found; `nil` for never.
        var marksFoundAt: Duration?
        /// When marks were last looked at outside of a session, and whether all were as expected.
        var marksSeen: (at: Duration, areIntact: Bool)?
        /// Whether it was told that the remote has lost something, which goes on for as long as that is being sent again.
        var isLossTold = false
        /// What the store said of superseded changes when this engine first looked.
        var supersededBefore: Int?
        var runs = 0
        var isStandingBy = false
        /// Whether anything is, as far as is known: where nothing is, a remote that is away is no reason for an alarm.
        var isPending = true
        /// Whether the log has the outage that is going on.
        var isFailureNoted = false

        /// What the time is for whatever is decided.
        func now(_ clock: CorrectedClock) -> Timestamp { learning.time(at: clock.uptime()) ?? clock.now() }

        init(_ configuration: SyncConfiguration, bucketCount: Int, madeAt: Timestamp) {
            machine = SyncStateMachine(configuration, madeAt: madeAt)
            stall = StallAlarm(after: configuration.stallAlarm)
            learning = ClockLearning(interval: configuration.surveyInterval)
            sweep = RecordSweep(bucketCount: bucketCount, interval: configuration.sweepInterval)
            needsFence = machine.policies.hasSingleWriters
        }
    }

    /// What follows a turn.
    enum Next: Sendable {
        /// This node has another id now; begin anew.
        case again
        /// Nothing is pending, or the task was cancelled.
        case rest
        /// Nothing is pending but what waits for a shard that is away.
        case hold(after: Duration)
        /// Another process holds the lease.
        case standBy
        /// The session failed.
        case retry(after: Duration)
    }

    let local: any LocalStore
    let remote: any RemoteStore
    let clock: CorrectedClock
    let logger: Logger
    let configuration: SyncConfiguration
    let checkingValue: @Sendable (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    let replaced: @Sendable ([CacheKey]) -> Void
    let lost: @Sendable () -> Void
    private let hashingKey: @Sendable (CacheKey) -> String
    let state: Mutex<State>
    private let policies: PolicyTable
    let turn = AsyncTurn()
    /// Something was committed. Does not cut a backoff short: writes go on during an outage.
    private let committed = WakeSignal()
    /// A drain got through, so that waiting on makes no sense.
    private let recovered = WakeSignal()
    let gate: PressureGate

    init(_ context: SynchronizerContext, _ configuration: SyncConfiguration) {
        local = context.local
        remote = context.remote
        clock = context.clock
        logger = context.logger
        checkingValue = context.checkingValue
        replaced = context.replaced
        lost = context.lost
        hashingKey = context.hashingKey
        self.configuration = configuration
        policies = PolicyTable(configuration.policy, configuration.namespacePolicies)
        gate = PressureGate(configuration.backPressure, context.local, context.clock)
        state = Mutex(State(configuration, bucketCount: context.remote.bucketCount, madeAt: context.clock.now()))
    }

    func wake() { committed.set() }

    func suspectLoss() {
        state.withLock { $0.machine.suspectLoss() }
        committed.set()
    }

    func writesAlone(_ key: CacheKey) -> Bool { policies.policy(for: key).isSingleWriter }

    var losses: Int { state.withLock { $0.machine.losses } }

    func mayHaveLost(_ key: CacheKey, since suspicion: Duration?) -> Bool {
        let bucket = remote.bucket(of: key)
        return state.withLock { state in
            guard let suspicion else { return state.machine.mayHaveLost(bucket) }
            if state.machine.isKnownToMiss(bucket) { return true }
            if let seen = state.marksSeen, seen.at >= suspicion { return !seen.areIntact }
            return state.marksFoundAt.map { $0 < suspicion } ?? true
        }
    }

    func run() async {
        state.withLock { $0.runs += 1 }
        defer { state.withLock { $0.runs -= 1 } }
        while let next = await turn.take({ await self.session() }), !Task.isCancelled {
            switch next {
            case .again: continue
            case .rest:
                await sweepRecords()
                compareMarksNowAndThen()
                await committed.wait(atMost: configuration.idleInterval, clock: clock)
            case .hold(let pause):
                await committed.wait(atMost: min(pause, configuration.idleInterval), clock: clock)
            case .standBy: await recovered.wait(atMost: configuration.idleInterval, clock: clock)
            case .retry(let pause): await recovered.wait(atMost: pause, clock: clock)
            }
        }
    }

    func admit(changes: Int, bytes: Int) async throws(CacheError) -> Admission {
        try await gate.admit(changes: changes, bytes: bytes)
    }

    func awaitApplied(_ changes: [CacheKey: ChangeSequence], atMost timeout: Duration) async throws(CacheError) {
        try await gate.awaitApplied(changes, atMost: timeout)
    }

    static let evictionWarning =
        "Redis may evict the records of versions (maxmemory-policy allkeys-*); use noeviction or a volatile-* policy"

    func drain(deadline: Duration, retrying: Bool) async -> SyncStatus {
        guard deadline > .zero else { return await lastKnownStatus() }
        let end = await withTaskGroup(of: Next?.self) { group in
            group.addTask { await self.pushAll(retrying: retrying) }
            group.addTask {
                try? await self.clock.sleep(for: deadline)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        var status = await lastKnownStatus()
        if case .standBy = end { status.activity = .standby }
        return status
    }

    func status() async throws(CacheError) -> SyncStatus {
        let backlog = try await local.backlog()
        let watermark = try await local.watermark()
        let last = try await local.lastSequence()
        let superseded = try await noteSuperseded()
        return state.withLock { state in
            var activity = state.machine.activity
            var outcomes = state.machine.outcomes
            outcomes.superseded = superseded
            if state.isStandingBy { activity = .standby }
            if state.runs == 0, activity != .paused { activity = .notRunning }
            return SyncStatus(
                activity: activity, backlog: backlog, watermark: watermark, lastSequence: last,
                outcomes: outcomes, lastError: state.machine.lastError,
                consecutiveFailures: state.machine.consecutiveFailures, lostBuckets: state.machine.ledger.lost.count,
                heldBack: state.machine.heldBack.changes.count,
                warnings: state.evictsRecords == true ? [Self.evictionWarning] : [])
        }
    }

    /// How many changes were overwritten since this engine first looked; the store counts them.
    @discardableResult
    func noteSuperseded() async throws(CacheError) -> Int {
        let count = try await local.supersededCount()
        return state.withLock { state in
            let before = state.supersededBefore ?? count
            state.supersededBefore = before
            return count - before
        }
    }

    /// Pushes until nothing is left, trying again after failures that pass by themselves where that is wanted.
    private func pushAll(retrying: Bool) async -> Next {
        while let next = await turn.take({ await self.session() }), !Task.isCancelled {
            switch next {
            case .again: continue
            case .rest:
                recovered.set()
                return next
            case .standBy: return next
            case .retry(let pause), .hold(let pause):
                if !retrying || state.withLock({ $0.machine.activity == .paused }) { return next }
                try? await clock.sleep(for: pause)
            }
        }
        return .rest
    }

    /// Logs the first failure of an outage, and then that nothing moves; its end shows in the status.
    func noteFailure() async {
        let (isNew, error, isStalled) = state.withLock { state in
            if !state.isPending { state.stall.rested() }
            let isStalled = state.isPending && state.stall.failed(at: clock.uptime())
            let isNew = state.isPending && !state.isFailureNoted
            if isNew { state.isFailureNoted = true }
            return (isNew, state.machine.lastError, isStalled)
        }
        if isNew, let error, error.code != .shutdown {
            logger.warning(
                "pushing changes failed; they stay in the file and are tried again", metadata: ["error": "\(error)"])
            // For whoever looks at the file later; where it can't be written, the log has to do.
            try? await local.note(sendingFailure: error)
        }
        if isStalled {
            logger.error("changes are pending and none could be sent; see the sync status for the reason")
        }
    }

    func note(_ settlement: Settlement) {
        if let first = settlement.deadLetters.first {
            logger.error(
                "the remote keeps refusing changes, which were set aside as dead letters",
                metadata: [
                    "count": "\(settlement.deadLetters.count)",
                    "keys": .hashes(of: settlement.deadLetters.map(\.key), hashingKey),
                    "error": "\(first.reason)",
                ])
        }
        if !settlement.parked.isEmpty {
            logger.warning(
                "changes older than tombstones are kept were set aside; look at the parked changes and send or drop them",
                metadata: [
                    "count": "\(settlement.parked.count)",
                    "keys": .hashes(of: settlement.parked.map(\.key), hashingKey),
                ])
        }
    }

    private func lastKnownStatus() async -> SyncStatus {
        do {
            return try await status()
        } catch {
            return SyncStatus(
                activity: .notRunning, backlog: Backlog(changes: 0, bytes: 0, oldest: nil), watermark: .zero,
                lastSequence: .zero, outcomes: state.withLock { $0.machine.outcomes }, lastError: error,
                consecutiveFailures: 1)
        }
    }
}
