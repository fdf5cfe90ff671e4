import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitSync

/// The engine over simulated stores, time standing still unless a test moves it.
struct SyncEngineTests {
    private let clock = ManualClock()
    private let local: SimulatedLocalStore
    private let remote: SimulatedRemoteStore
    private let log = LogBook()
    private let away = CacheError(.remoteUnavailable, "the server can't be reached")

    init() {
        local = SimulatedLocalStore(clock: clock)
        remote = SimulatedRemoteStore(clock: clock)
    }

    private func engine(_ adjust: (inout SyncConfiguration) -> Void = { _ in }) -> SyncEngine {
        var configuration = SyncConfiguration()
        adjust(&configuration)
        return SyncEngine(
            .plain(local, remote, clock, log.logger), configuration)
    }

    private func put(_ key: String, _ value: [UInt8] = [1], seconds: Int = 600) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: value, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(seconds)))
    }

    private func delete(_ key: String) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: nil, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(600)))
    }

    /// Whether the engine has found the feed empty: outcomes are counted just after they are durable, so an empty backlog
    /// alone is too early to look at them.
    private func isSettled(_ engine: SyncEngine) async -> Bool {
        guard let status = try? await engine.status() else { return false }
        return status.backlog.changes == 0 && status.activity == .idle
    }

    private func backlog() async -> Int { (try? await local.backlog().changes) ?? -1 }

    /// Lets the engine go on until a condition holds, moving time whenever everyone sleeps.
    private func drive(_ condition: () async -> Bool) async -> Bool {
        await eventually {
            if await condition() { return true }
            for _ in 0..<20 { await Task.yield() }
            clock.advance(by: .milliseconds(200))
            return false
        }
    }

    // MARK: Pushing

    @Test func `a run pushes what is pending, in batches, and then what is committed`() async throws {
        let engine = engine { $0.batchChanges = 10 }
        for number in 0..<95 { try await local.commit([put("k\(number)", [UInt8(number)])]) }
        let run = Run(engine)
        #expect(await eventually { await backlog() == 0 })
        #expect(remote.count == 95)
        #expect(remote.batches == 10)
        try await local.commit([put("late"), delete("k3")])
        engine.wake()
        // Time stands still: only the wake can bring this about.
        #expect(await eventually { await isSettled(engine) })
        #expect(remote.value(of: try CacheKey("late")) == [1])
        #expect(remote.value(of: try CacheKey("k3")) == nil)
        #expect(try await engine.status().outcomes.applied == 97)
        await run.end()
        #expect(clock.sleeperCount == 0)
    }

    @Test func `what another process committed is found within the idle interval`() async throws {
        let engine = engine()
        let run = Run(engine)
        #expect(await eventually { clock.sleeperCount == 1 })
        try await local.commitAsAnotherProcess([put("theirs")])
        clock.advance(by: .seconds(1))
        #expect(await eventually { await backlog() == 0 })
        await run.end()
    }

    @Test func `values keep what remains of their life`() async throws {
        try await local.commit([put("k", seconds: 100)])
        clock.advance(by: .seconds(40))
        _ = await engine().drain(deadline: .seconds(1))
        #expect(remote.expiry(of: try CacheKey("k")) == clock.now().advanced(by: .seconds(60)))
    }

    @Test func `a value that expired while it was pending removes the older one`() async throws {
        let engine = engine()
        remote.put([9], for: try CacheKey("k"), expiresAt: nil)
        try await local.commit([put("k", seconds: 1)])
        clock.advance(by: .seconds(2))
        let status = await engine.drain(deadline: .seconds(1))
        #expect(remote.value(of: try CacheKey("k")) == nil)
        #expect(status.outcomes.expired == 1)
        #expect(status.backlog.changes == 0)
    }

    @Test func `a write made while its older version is in flight is pushed too`() async throws {
        let engine = engine()
        let key = try CacheKey("k")
        try await local.commit([put("k", [1]), put("other", [1])])
        let newer = try put("k", [2])
        let watermarks = Notes<ChangeSequence>()
        remote.setWriteHook { [local, remote] in
            remote.setWriteHook(nil)
            _ = try? await local.commit([newer])
            if let watermark = try? await local.watermark() { watermarks.add(watermark) }
        }
        let status = await engine.drain(deadline: .seconds(1))
        #expect(remote.value(of: key) == [2])
        #expect(status.backlog.changes == 0)
        #expect(status.watermark == ChangeSequence(3))
        // Settling the first batch did not pass the newer write.
        #expect(watermarks.all == [.zero])
        #expect(remote.batches == 2)
    }

    @Test func `the watermark stops below a write that came during the flight`() async throws {
        let engine = engine()
        try await local.commit([put("k", [1])])
        let newer = try put("k", [2])
        remote.setWriteHook { [local, remote] in
            _ = try? await local.commit([newer])
            // The next batch must not go through.
            remote.setOutage(CacheError(.remoteUnavailable, "away"))
            remote.setWriteHook(nil)
        }
        let run = Run(engine)
        #expect(await eventually { (try? await local.watermark()) == ChangeSequence(1) })
        #expect(await backlog() == 1)
        await run.end()
        #expect(try await local.watermark() == ChangeSequence(1))
    }

    // MARK: Failures

    @Test func `an outage is waited out, and everything arrives once`() async throws {
        let engine = engine()
        for number in 0..<20 { try await local.commit([put("k\(number)")]) }
        remote.setOutage(away)
        let run = Run(engine)
        #expect(await eventually { (try? await engine.status().activity) == .backingOff })
        let status = try await engine.status()
        #expect(status.lastError?.code == .remoteUnavailable)
        #expect(status.consecutiveFailures == 1)
        #expect(status.backlog.changes == 20)
        #expect(await drive { (try? await engine.status().consecutiveFailures) ?? 0 > 5 })
        remote.setOutage(nil)
        #expect(await drive { await isSettled(engine) })
        let after = try await engine.status()
        #expect(after.outcomes.applied == 20)
        #expect(after.lastError == nil)
        #expect(after.consecutiveFailures == 0)
        #expect(log.texts(.warning).count == 1)
        await run.end()
    }

    @Test func `writes during an outage do not cut the backoff short`() async throws {
        let engine = engine()
        remote.setOutage(away)
        try await local.commit([put("k")])
        let run = Run(engine)
        #expect(await eventually { clock.sleeperCount == 1 && remote.refusedQuestions == 1 })
        for number in 0..<50 {
            try await local.commit([put("k\(number)")])
            engine.wake()
            for _ in 0..<10 { await Task.yield() }
        }
        #expect(remote.refusedQuestions <= 2)
        await run.end()
    }

    @Test func `a lost reply is sent again and changes nothing the second time`() async throws {
        let engine = engine()
        try await local.commit([put("a", [1]), delete("b")])
        remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: true)
        let run = Run(engine)
        #expect(await drive { remote.batches >= 3 })
        #expect(remote.value(of: try CacheKey("a")) == [1])
        #expect(await backlog() == 2)
        remote.setOutage(nil)
        #expect(await drive { await isSettled(engine) })
        #expect(try await engine.status().outcomes.applied == 2)
        await run.end()
    }

    @Test func `a change that is refused again and again is set aside, loudly, and the others arrive`() async throws {
        let engine = engine()
        try await local.commit([put("a"), put("b"), put("c")])
        remote.refuse(try CacheKey("b"), with: CacheError(.remoteRejected, "the key holds another type"))
        let run = Run(engine)
        #expect(await drive { await isSettled(engine) })
        #expect(local.deadLetters.map(\.key.string) == ["b"])
        #expect(local.deadLetters.map(\.sequence) == [ChangeSequence(2)])
        #expect(remote.value(of: try CacheKey("a")) == [1])
        #expect(remote.value(of: try CacheKey("c")) == [1])
        #expect(remote.batches == 3)
        #expect(await eventually { (try? await engine.status().outcomes.deadLettered) == 1 })
        #expect(log.texts(.error).count == 1)
        await run.end()
    }

    @Test func `a refused password pauses the run, and a mended one ends the pause`() async throws {
        let engine = engine { $0.longestBackoff = .seconds(30) }
        try await local.commit([put("a")])
        remote.setOutage(CacheError(.remoteAuthentication, "refused"))
        let run = Run(engine)
        #expect(await eventually { (try? await engine.status().activity) == .paused })
        // Its wait has begun: time that passes before that is not counted.
        #expect(await eventually { clock.sleeperCount > 0 })
        clock.advance(by: .seconds(29))
        for _ in 0..<50 { await Task.yield() }
        #expect(remote.refusedQuestions == 1)
        remote.setOutage(nil)
        clock.advance(by: .seconds(1))
        #expect(await eventually { await backlog() == 0 })
        await run.end()
    }

    @Test func `a local store that fails is backed off from and logged once`() async throws {
        let engine = engine()
        try await local.commit([put("a")])
        local.setOutage(.busy, on: [.reads, .feed])
        let run = Run(engine)
        for _ in 0..<10 {
            #expect(await eventually { clock.sleeperCount == 1 })
            clock.advance(by: .seconds(60))
        }
        #expect(log.texts(.warning).count == 1)
        local.setOutage(nil)
        #expect(await drive { await backlog() == 0 })
        await run.end()
    }

    @Test func `nothing moving for a minute is an alarm, again after each further minute`() async throws {
        let engine = engine { $0.longestBackoff = .seconds(1) }
        try await local.commit([put("a")])
        remote.setOutage(away)
        let run = Run(engine)
        for second in 0..<130 {
            #expect(await eventually { clock.sleeperCount == 1 }, "second \(second)")
            if second == 58 { #expect(log.texts(.error).isEmpty) }
            clock.advance(by: .seconds(1))
        }
        #expect(log.texts(.error).count == 2)
        await run.end()
    }

    @Test func `an outage after a long rest is no alarm at once`() async throws {
        let engine = engine()
        let run = Run(engine)
        try await local.commit([put("a")])
        engine.wake()
        #expect(await eventually { await backlog() == 0 })
        #expect(await eventually { clock.sleeperCount == 1 })
        clock.advance(by: .seconds(3600))
        #expect(await eventually { clock.sleeperCount == 1 })
        remote.setOutage(away)
        try await local.commit([put("b")])
        engine.wake()
        #expect(await eventually { (try? await engine.status().activity) == .backingOff })
        #expect(log.texts(.error).isEmpty)
        await run.end()
    }

    // MARK: Cancelling, draining, leases

    @Test func `a cancelled run leaves what is pending in the store`() async throws {
        let engine = engine()
        try await local.commit([put("a"), put("b")])
        remote.setOutage(away)
        let run = Run(engine)
        #expect(await eventually { clock.sleeperCount == 1 })
        await run.end()
        #expect(await backlog() == 2)
        #expect(local.deadLetters.isEmpty)
        #expect(try await engine.status().activity == .notRunning)
        remote.setOutage(nil)
        let again = Run(engine)
        #expect(await drive { await backlog() == 0 })
        await again.end()
    }

    @Test func `a drain ends at its deadline while the remote is away, whether or not a run backs off`() async throws {
        let engine = engine { $0.longestBackoff = .seconds(30) }
        try await local.commit([put("a")])
        remote.setOutage(away)
        let run = Run(engine)
        for _ in 0..<12 {
            #expect(await eventually { clock.sleeperCount == 1 })
            clock.advance(by: .seconds(30))
        }
        #expect(await eventually { clock.sleeperCount == 1 })
        let drain = Task { await engine.drain(deadline: .seconds(2)) }
        // The run's wait, the drain's deadline, the drain's own wait.
        #expect(await eventually { clock.sleeperCount == 3 })
        clock.advance(by: .seconds(2))
        let status = await drain.value
        #expect(status.backlog.changes == 1)
        #expect(status.lastError?.code == .remoteUnavailable)
        await run.end()
        #expect(clock.sleeperCount == 0)
    }

    @Test func `a drain pushes everything, and a run that backed off goes on`() async throws {
        let engine = engine { $0.longestBackoff = .seconds(30) }
        for number in 0..<1200 { try await local.commit([put("k\(number)")]) }
        remote.setOutage(away)
        let run = Run(engine)
        #expect(await eventually { clock.sleeperCount == 1 })
        remote.setOutage(nil)
        let status = await engine.drain(deadline: .seconds(5))
        #expect(status.backlog.changes == 0)
        #expect(status.outcomes.applied == 1200)
        // Time stood still all along: the run was woken by the drain.
        #expect(await eventually { (try? await engine.status().activity) == .idle })
        try await local.commit([put("next")])
        engine.wake()
        #expect(await eventually { await backlog() == 0 })
        await run.end()
    }

    @Test func `a drain without time pushes nothing`() async throws {
        try await local.commit([put("a")])
        let status = await engine().drain(deadline: .zero)
        #expect(status.backlog.changes == 1)
        #expect(remote.batches == 0)
    }

    @Test func `a drain without retrying ends at the first failure, and goes on as far as it can without one`()
        async throws
    {
        let engine = engine { $0.batchChanges = 2 }
        for number in 0..<7 { try await local.commit([put("k\(number)")]) }
        remote.setOutage(away)
        // Time stands still: a drain that waited would not end.
        let failed = await engine.drain(deadline: .seconds(3600), retrying: false)
        #expect(remote.refusedQuestions == 1)
        #expect(failed.backlog.changes == 7)
        #expect(failed.lastError?.code == .remoteUnavailable)
        remote.setOutage(nil)
        #expect(await engine.drain(deadline: .seconds(3600), retrying: false).backlog.changes == 0)
        #expect(remote.batches == 4)
        #expect(clock.sleeperCount == 0)
    }

    @Test func `after a deadline the engine sends less at once`() async throws {
        let engine = engine()
        for number in 0..<8 { try await local.commit([put("k\(number)")]) }
        remote.setOutage(CacheError(.remoteTimeout, "no answer"), afterApplying: true)
        _ = await engine.drain(deadline: .seconds(3600), retrying: false)
        remote.setOutage(nil)
        _ = await engine.drain(deadline: .seconds(3600), retrying: false)
        // One of eight in vain, then two of four.
        #expect(remote.batches == 3)
        #expect(remote.count == 8)
    }

    @Test func `a drain does not wait for an operator`() async throws {
        try await local.commit([put("a")])
        remote.setOutage(CacheError(.remoteAuthentication, "refused"))
        let status = await engine().drain(deadline: .seconds(3600))
        #expect(status.activity == .paused)
        #expect(status.lastError?.code == .remoteAuthentication)
    }

    @Test func `a drain that is cut short in mid-flight is no failure, and nothing is lost`() async throws {
        let engine = engine()
        try await local.commit([put("a")])
        let clock = clock
        remote.setWriteHook { try? await clock.sleep(for: .seconds(10)) }
        remote.setOutage(CacheError(.cancelled, "cancelled"), afterApplying: true)
        let drain = Task { await engine.drain(deadline: .seconds(1)) }
        #expect(await eventually { clock.sleeperCount == 2 })
        clock.advance(by: .seconds(1))
        let status = await drain.value
        #expect(status.backlog.changes == 1)
        #expect(status.lastError == nil)
        remote.setWriteHook(nil)
        remote.setOutage(nil)
        #expect(await engine.drain(deadline: .seconds(1)).backlog.changes == 0)
    }

    @Test func `while another process holds the lease the engine stands by, then takes over`() async throws {
        let engine = engine()
        let lease = try #require(try await local.acquirePusherLease())
        try await local.commit([put("a")])
        let run = Run(engine)
        #expect(await eventually { (try? await engine.status().activity) == .standby })
        #expect(remote.batches == 0)
        #expect(await engine.drain(deadline: .seconds(5)).activity == .standby)
        lease.release()
        #expect(await drive { await backlog() == 0 })
        #expect(try await engine.status().activity != .standby)
        await run.end()
        #expect(try await local.acquirePusherLease() != nil)
    }

    @Test func `a one-off push says that another process holds the lease`() async throws {
        let lease = try #require(try await local.acquirePusherLease())
        try await local.commit([put("a")])
        let engine = engine()
        #expect(await engine.drain(deadline: .seconds(5)).activity == .standby)
        lease.release()
        let status = await engine.drain(deadline: .seconds(5))
        #expect(status.activity == .notRunning)
        #expect(status.backlog.changes == 0)
    }

    @Test func `two runs of one engine push everything once and end one by one`() async throws {
        let engine = engine { $0.batchChanges = 7 }
        for number in 0..<100 { try await local.commit([put("k\(number)")]) }
        let (first, second) = (Run(engine), Run(engine))
        #expect(await eventually { await backlog() == 0 })
        await first.end()
        #expect(await eventually { (try? await engine.status().activity) == .idle })
        try await local.commit([put("more")])
        engine.wake()
        #expect(await eventually { await backlog() == 0 })
        await second.end()
        #expect(try await engine.status().activity == .notRunning)
        #expect(try await engine.status().outcomes.applied == 101)
    }

    @Test func `the status tells what waits since when`() async throws {
        let engine = engine()
        let start = clock.now()
        try await local.commit([put("a", [1, 2, 3])])
        clock.advance(by: .seconds(5))
        try await local.commit([put("b", [4])])
        let status = try await engine.status()
        #expect(status.activity == .notRunning)
        #expect(status.backlog == Backlog(changes: 2, bytes: 4, oldest: start))
        #expect(status.watermark == .zero)
        #expect(status.lastSequence == ChangeSequence(2))
    }

    @Test func `a hundred thousand pending changes are held a batch at a time`() async throws {
        let recorder = RecordingStore(local)
        var configuration = SyncConfiguration()
        configuration.batchChanges = 10_000
        configuration.batchBytes = 10_000
        let engine = SyncEngine(
            .plain(recorder, remote, clock, log.logger), configuration)
        let value = [UInt8](repeating: 1, count: 4)
        try await local.commit((0..<100_000).map { try put("k\($0)", value) })
        let status = await engine.drain(deadline: .seconds(1))
        #expect(status.outcomes.applied == 100_000)
        #expect(recorder.mostLoaded == 2500)
    }
}
