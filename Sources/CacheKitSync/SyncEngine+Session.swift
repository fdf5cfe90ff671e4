import CacheKit
import CacheKitCore
import Logging
import Synchronization

/// One session: from the lease until nothing is left, or until something fails.
extension SyncEngine {
    func session() async -> Next {
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
            try await begin()
            return await act()
        } catch {
            // A try that was cut short says nothing about the remote.
            if Task.isCancelled { return .rest }
            return await next(after: error)
        }
    }

    /// Nothing is asked of the remote while nothing is pending and nothing was lost.
    private func begin() async throws(CacheError) {
        let sending = try await local.sendingState()
        try await noteSuperseded()
        let bucketCount = remote.bucketCount
        let shard = shard
        state.withLock { state in
            state.isStandingBy = false
            state.machine.begin(
                sending, bucketCount: bucketCount, shard: shard)
        }
    }

    /// What each bucket fails with; `nil` where that is the whole remote.
    private var shard: (@Sendable (Int) -> Int)? {
        let remote = remote
        guard remote.shard(of: 0) != nil else { return nil }
        return { remote.shard(of: $0) ?? -1 }
    }

    /// Before each batch, as far as it is due: the remote's time, the marks where they may have changed, and an end to what
    /// other connections still hold.
    private func contact() async throws(CacheError) {
        try await survey()
        let (node, buckets) = state.withLock { state in
            (state.machine.sending.node, state.machine.comparing)
        }
        if state.withLock({ $0.machine.needsContact }) {
            let asked = clock.uptime()
            let marks = try await marks(of: node, in: buckets)
            let found = Array(zip(buckets, marks))
            let failure = state.withLock { state in
                let failure = state.machine.compared(
                    found.map { (bucket: $0.0, mark: $0.1) }, fraction: configuration.jitter())
                if failure == nil { state.marksFoundAt = asked }
                return failure
            }
            if let failure { throw failure }
            tellLoss()
        }
        let (needsFence, note) = state.withLock { ($0.needsFence, $0.machine.sending.fence) }
        if needsFence {
            let fence = try await remote.fence(note)
            try await local.beginSending(through: .zero, fence: fence)
            state.withLock { $0.needsFence = false }
        }
    }

    func survey() async throws(CacheError) {
        let asked = clock.uptime()
        guard state.withLock({ $0.learning.isDue(wall: clock.now(), uptime: asked) }) else { return }
        let survey = try await remote.survey()
        let answered = clock.now()
        let uptime = clock.uptime()
        let (correction, isNewlyEvicting) = state.withLock { state in
            let isNew = survey.evictsRecords == true && state.evictsRecords != true
            state.evictsRecords = survey.evictsRecords
            let correction = state.learning.learn(
                survey.time, answeredAt: answered, trip: uptime - asked, uptime: uptime)
            return (correction, isNew)
        }
        clock.correct(by: correction)
        if correction != .zero {
            logger.notice(
                "this machine's clock differs from the remote's, which is followed from now on",
                metadata: ["milliseconds": "\(correction.wholeMilliseconds)"])
        }
        if isNewlyEvicting { logger.warning("\(Self.evictionWarning)") }
        state.withLock { $0.machine.connected(at: $0.now(clock)) }
    }

    private func act() async -> Next {
        await withTaskGroup(of: SyncStateMachine.End.self) { group in
            while true {
                let action = state.withLock { state in
                    if Task.isCancelled { state.machine.cancel() }
                    return state.machine.next(now: state.now(clock), uptime: clock.uptime())
                }
                do throws(CacheError) {
                    switch action {
                    case .load(let after, let limit, let bytes):
                        let changes = try await local.changes(
                            after: after, origin: .local, limit: limit, byteLimit: bytes)
                        let isNeeded = state.withLock { state in
                            // Above the watermark nothing: nothing is pending.
                            if !changes.isEmpty || after == state.machine.sending.watermark {
                                state.isPending = !changes.isEmpty
                            }
                            return !changes.isEmpty || state.machine.needsContact
                        }
                        // Before the changes are looked at: what the remote's time says decides about them.
                        if isNeeded { try await contact() }
                        let delivery = state.withLock {
                            $0.machine.loaded(changes, now: $0.now(clock), bucket: remote.bucket(of:))
                        }
                        if let delivery { try await prepare(delivery) }
                    case .readHeldBack(let keys):
                        try await contact()
                        let entries = try await local.read(keys)
                        let delivery = state.withLock {
                            $0.machine.reread(keys, entries, now: $0.now(clock), bucket: remote.bucket(of:))
                        }
                        if let delivery { try await prepare(delivery) }
                    case .rewind(let step):
                        try await take(step)
                    case .deliver(let delivery):
                        group.addTask { await self.carry(delivery) }
                    case .awaitDelivery:
                        guard let end = await group.next() else { break }
                        state.withLock { state in
                            if Task.isCancelled { state.machine.cancel() }
                            state.machine.delivered(end, fraction: configuration.jitter(), uptime: clock.uptime())
                        }
                        tellLoss()
                    case .settle(let settlement):
                        let passed = try await local.settle(settlement)
                        note(settlement)
                        state.withLock { state in
                            // Behind a shard that is away the watermark waits, whatever else is sent.
                            if settlement.through > state.machine.sending.watermark {
                                state.stall.progressed(at: clock.uptime())
                            }
                            state.machine.settled(passed: passed)
                            state.isFailureNoted = false
                        }
                        gate.settled(through: settlement.through)
                    case .reidentify:
                        try await disown()
                        _ = try await local.reidentify()
                        logger.warning(
                            "another node writes under this one's id (a copied or restored file?); this one has a new id now"
                        )
                        return .again
                    case .startOver: return .again
                    case .hold(let pause):
                        state.withLock { $0.needsFence = $0.machine.policies.hasSingleWriters }
                        await noteFailure()
                        return .hold(after: pause)
                    case .rest:
                        state.withLock { state in
                            state.stall.rested()
                            if !Task.isCancelled { state.isFailureNoted = false }
                        }
                        return .rest
                    case .retry(let pause):
                        state.withLock { state in
                            state.learning.forget()
                            state.needsFence = state.machine.policies.hasSingleWriters
                        }
                        await noteFailure()
                        return .retry(after: pause)
                    }
                } catch {
                    state.withLock { state in
                        // A try that was cut short says nothing about the remote.
                        if Task.isCancelled { state.machine.cancel() }
                        state.machine.failed(error, fraction: configuration.jitter())
                    }
                }
            }
        }
    }

    /// Says so when the first bucket turns out to have lost something: what others wrote may be gone as well.
    private func tellLoss() {
        let isNew = state.withLock { state in
            defer { state.isLossTold = !state.machine.ledger.lost.isEmpty }
            return !state.isLossTold && !state.machine.ledger.lost.isEmpty
        }
        if isNew { lost() }
    }

    /// Whoever else uses this node's id has to notice, too: what the one sent may have hidden from the other what was lost.
    private func disown() async throws(CacheError) {
        let pushes = state.withLock { state in
            state.machine.ledger.expected.keys.sorted().map { bucket in
                BucketPush(
                    bucket: bucket, writes: [], node: state.machine.sending.node, expectedMark: 0, mark: .max,
                    recordsMayBeLost: true, now: state.now(clock))
            }
        }
        for answer in pushes.isEmpty ? [] : try await remote.push(pushes) {
            if case .failed(let error) = answer { throw error }
        }
    }

    private func next(after error: CacheError) async -> Next {
        let action = state.withLock { state in
            state.machine.failed(error, fraction: configuration.jitter())
            return state.machine.next(now: state.now(clock))
        }
        guard case .retry(let pause) = action else { return .rest }
        await noteFailure()
        return .retry(after: pause)
    }

    private func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        let versions = try await local.restamp(stamps, at: now)
        // The ends of the rows were set back with their stamps, and memory has the old ones.
        replaced(stamps.map(\.key))
        return versions
    }

    /// What has to be durable before a batch may be sent: its versions, and that they may be known elsewhere.
    private func prepare(_ delivery: Delivery) async throws(CacheError) {
        var delivery = delivery
        let now = state.withLock { $0.now(clock) }
        let stamps = delivery.stampsNeeded()
        if !stamps.isEmpty { delivery.restamped(try await restamp(stamps, at: now)) }
        if !delivery.terms.isResend, delivery.last > delivery.terms.sentThrough {
            try await local.beginSending(through: delivery.last, fence: nil)
        }
        state.withLock { $0.machine.prepared(delivery) }
    }

    private func take(_ step: Rewind.Step) async throws(CacheError) {
        switch step {
        case .plant(let pushes):
            let answers = try await push(pushes)
            state.withLock { $0.machine.planted(answers) }
        case .load(let after, let through):
            try await contact()
            let changes = try await local.settledChanges(
                after: after, through: through, limit: configuration.batchChanges,
                byteLimit: configuration.batchBytes)
            let delivery = state.withLock {
                $0.machine.rewound(changes, now: $0.now(clock), bucket: remote.bucket(of:))
            }
            if let delivery { try await prepare(delivery) }
        case .restore(let pushes):
            let answers = try await push(pushes)
            state.withLock { $0.machine.restored(answers) }
        }
    }

    /// Carries one batch to its outcomes.
    private func carry(_ delivery: Delivery) async -> SyncStateMachine.End {
        var delivery = delivery
        do throws(CacheError) {
            while true {
                let now = state.withLock { $0.now(clock) }
                switch delivery.next(at: now) {
                case .restamp(let stamps): delivery.restamped(try await restamp(stamps, at: now))
                case .push(let pushes): delivery.weighed(try await push(pushes))
                case .write(let writes): delivery.written(try await write(writes))
                case .inspect(let keys):
                    delivery.inspected(try await remote.inspect(keys), at: now, checking: checkingValue)
                case .resolve(let resolutions):
                    delivery.resolved(try await local.resolve(resolutions))
                    replaced(resolutions.map(\.winner.key))
                case .finished: return .finished(delivery)
                case .reidentify: return .needsIdentity(delivery)
                case .failed(let error): return .failed(error, delivery)
                }
            }
        } catch {
            return .failed(error, delivery)
        }
    }

    /// A loss that nobody told of is found out while nothing is sent, too.
    func compareMarksNowAndThen() {
        let uptime = clock.uptime()
        state.withLock { state in
            guard uptime - (state.marksComparedAt ?? uptime) >= configuration.marksInterval else {
                state.marksComparedAt = state.marksComparedAt ?? uptime
                return
            }
            state.marksComparedAt = uptime
            state.machine.suspectLoss()
        }
    }

    /// One step of removing records that ended long ago, now and then.
    func sweepRecords() async {
        let uptime = clock.uptime()
        let step = state.withLock { state -> (bucket: Int, cursor: UInt64)? in
            guard state.machine.lastError == nil, state.sweep.isDue(uptime: uptime) else { return nil }
            return (state.sweep.bucket, state.sweep.cursor)
        }
        guard let step else { return }
        let ended = state.withLock { $0.now(clock) }.advanced(by: .zero - configuration.recordRetention)
        // It is tried again when it is due; an unreachable remote is noticed by whoever has something to send.
        guard let result = try? await remote.sweep(bucket: step.bucket, from: step.cursor, endedBefore: ended) else {
            return
        }
        state.withLock { $0.sweep.stepped(next: result.next) }
    }
}
