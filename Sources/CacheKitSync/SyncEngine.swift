import CacheKit
import Logging
import Synchronization

/// Acts on what ``SyncStateMachine`` decides: reads the feed, sends batches, moves the watermark.
///
/// One batch at a time, whether it is pushed by a run for good or by a drain: they take turns, and nobody waits for anything
/// but the two stores while it is their turn. Other processes are kept out by the store's lease.
final class SyncEngine: Synchronizer {
    private struct State {
        var machine: SyncStateMachine
        var stall: StallAlarm
        var runs = 0
        var isStandingBy = false
    }

    /// What follows a turn.
    private enum Next: Sendable {
        /// The batch is settled; there may be another.
        case again
        /// Nothing is pending, or the task was cancelled.
        case rest
        /// Another process holds the lease.
        case standBy
        /// The turn failed.
        case retry(after: Duration)
    }

    private let local: any LocalStore
    private let remote: any RemoteStore
    private let clock: any CacheClock
    private let logger: Logger
    private let configuration: SyncConfiguration
    private let state: Mutex<State>
    private let turn = AsyncTurn()
    /// Something was committed. Does not cut a backoff short: writes go on during an outage.
    private let committed = WakeSignal()
    /// A drain got through, so that waiting on makes no sense.
    private let recovered = WakeSignal()

    init(_ context: SynchronizerContext, _ configuration: SyncConfiguration) {
        local = context.local
        remote = context.remote
        clock = context.clock
        logger = context.logger
        self.configuration = configuration
        state = Mutex(
            State(
                machine: SyncStateMachine(configuration, watermark: .zero),
                stall: StallAlarm(after: configuration.stallAlarm)))
    }

    func wake() { committed.set() }

    func run() async {
        state.withLock { $0.runs += 1 }
        defer { state.withLock { $0.runs -= 1 } }
        while let next = await turn.take({ await self.pushBatch() }), !Task.isCancelled {
            switch next {
            case .again: continue
            case .rest: await committed.wait(atMost: configuration.idleInterval, clock: clock)
            case .standBy: await recovered.wait(atMost: configuration.idleInterval, clock: clock)
            case .retry(let pause): await recovered.wait(atMost: pause, clock: clock)
            }
        }
    }

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
        return state.withLock { state in
            var activity = state.machine.activity
            if state.isStandingBy { activity = .standby }
            if state.runs == 0, activity != .paused { activity = .notRunning }
            return SyncStatus(
                activity: activity, backlog: backlog, watermark: watermark, lastSequence: last,
                outcomes: state.machine.outcomes, lastError: state.machine.lastError,
                consecutiveFailures: state.machine.consecutiveFailures)
        }
    }

    /// Pushes until nothing is left, trying again after failures that pass by themselves where that is wanted.
    private func pushAll(retrying: Bool) async -> Next {
        while let next = await turn.take({ await self.pushBatch() }), !Task.isCancelled {
            switch next {
            case .again: recovered.set()
            case .rest, .standBy: return next
            case .retry(let pause):
                if !retrying || state.withLock({ $0.machine.activity == .paused }) { return next }
                try? await clock.sleep(for: pause)
            }
        }
        return .rest
    }

    /// One turn: at most one batch, from the lease to the settlement.
    private func pushBatch() async -> Next {
        do throws(CacheError) {
            guard !Task.isCancelled else { return .rest }
            guard let lease = try await local.acquirePusherLease() else {
                state.withLock { state in
                    state.isStandingBy = true
                    state.stall.rested()
                }
                return .standBy
            }
            defer { lease.release() }
            // Another process may have pushed since: start from what the store says now.
            let watermark = try await local.watermark()
            return try await pushBatch(from: watermark)
        } catch {
            // A try that was cut short says nothing about the remote.
            if Task.isCancelled { return .rest }
            return next(after: decide(.failed(error, fraction: .random(in: 0..<1))))
        }
    }

    private func pushBatch(from watermark: ChangeSequence) async throws(CacheError) -> Next {
        var action = state.withLock { state in
            state.isStandingBy = false
            state.machine.resume(at: watermark)
            return state.machine.handle(.ready)
        }
        if case .load(let after, let limit, let bytes) = action {
            let changes = try await local.changes(after: after, origin: .local, limit: limit, byteLimit: bytes)
            if Task.isCancelled { return .rest }
            action = decide(.loaded(changes, now: clock.now()))
        }
        if case .send = action {
            let results = try await remote.write(state.withLock { $0.machine.writes })
            action = decide(.answered(results, fraction: .random(in: 0..<1)))
        }
        if case .settle(let sequence) = action {
            let deadLetters = state.withLock { $0.machine.deadLetters }
            try await local.settle(through: sequence, deadLetters: deadLetters)
            note(deadLetters)
            action = decide(.settled)
        }
        return next(after: action)
    }

    private func decide(_ event: SyncStateMachine.Event) -> SyncStateMachine.Action {
        state.withLock { $0.machine.handle(event) }
    }

    private func next(after action: SyncStateMachine.Action) -> Next {
        let now = clock.now()
        switch action {
        case .load, .send, .settle:
            state.withLock { $0.stall.progressed(at: now) }
            return .again
        case .rest:
            state.withLock { $0.stall.rested() }
            return .rest
        case .wait(let pause):
            noteFailure(at: now)
            return .retry(after: pause)
        }
    }

    /// Logs the first failure of an outage, and then that nothing moves; its end shows in the status.
    private func noteFailure(at now: Timestamp) {
        let (failures, error, isStalled) = state.withLock { state in
            (state.machine.consecutiveFailures, state.machine.lastError, state.stall.failed(at: now))
        }
        if failures == 1, let error, error.code != .shutdown {
            logger.warning(
                "pushing changes failed; they stay in the file and are tried again", metadata: ["error": "\(error)"])
        }
        if isStalled {
            logger.error("changes are pending and none could be sent; see the sync status for the reason")
        }
    }

    private func note(_ deadLetters: [DeadLetter]) {
        guard let first = deadLetters.first else { return }
        logger.error(
            "the remote keeps refusing changes, which were set aside as dead letters",
            metadata: ["count": "\(deadLetters.count)", "error": "\(first.reason)"])
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
