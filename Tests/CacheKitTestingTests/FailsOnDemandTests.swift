import CacheKit
import CacheKitTesting
import Testing

/// Stores that are told to fail, in the words of both.
@Suite(.timeLimit(.minutes(1))) struct FailsOnDemandTests {
    private let clock = ManualClock()

    private func put(_ key: String) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: [1], form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(60)))
    }

    private func write(_ key: String, _ value: [UInt8] = [1]) throws -> RemoteWrite {
        RemoteWrite(key: try CacheKey(key), action: .put(value, timeToLive: .seconds(60)))
    }

    /// The code that a call fails with; `nil` where it does not.
    private func code(_ call: () async throws -> Void) async -> CacheError.Code? {
        do {
            try await call()
            return nil
        } catch {
            return (error as? CacheError)?.code
        }
    }

    @Test func `the third write fails, and nothing of it is stored`() async throws {
        let local = SimulatedLocalStore(clock: clock)
        local.failNext(.diskFull, on: .writes, after: 2)
        var codes: [CacheError.Code?] = []
        for number in 0..<4 {
            _ = try await local.read([CacheKey("k")])
            codes.append(await code { try await local.commit([put("k\(number)")]) })
        }
        #expect(codes == [nil, nil, .diskFull, nil])
        #expect(local.file.rows.count == 3 && local.failedCalls == 1)
    }

    @Test func `several calls in a row fail, each kind by itself`() async throws {
        let remote = SimulatedRemoteStore(clock: clock)
        remote.failNext(.timeout, on: .reads, times: 2)
        #expect(await code { _ = try await remote.write([write("k")]) } == nil)
        let codes = [
            await code { _ = try await remote.read([CacheKey("k")]) }, await code { try await remote.ping() },
            await code { _ = try await remote.contains([CacheKey("k")]) },
        ]
        #expect(codes == [.remoteTimeout, .remoteTimeout, nil])
    }

    @Test func `an outage lasts until it is over, and uses up nothing that was planned`() async throws {
        let remote = SimulatedRemoteStore(clock: clock)
        remote.failNext(.rejected)
        remote.setOutage(.unavailable)
        for _ in 0..<3 { #expect(await code { try await remote.ping() } == .remoteUnavailable) }
        remote.setOutage(.refused, on: .reads)
        #expect(await code { try await remote.ping() } == .remoteAuthentication)
        #expect(await code { _ = try await remote.survey() } == .remoteUnavailable)
        remote.setOutage(nil)
        #expect(await code { try await remote.ping() } == .remoteRejected)
        #expect(await code { try await remote.ping() } == nil)
        remote.setOutage(.unavailable)
        remote.failNext(.rejected)
        remote.recover()
        #expect(await code { try await remote.ping() } == nil)
    }

    @Test func `a lost reply has taken effect, a lost request has not`() async throws {
        let remote = SimulatedRemoteStore(clock: clock)
        remote.failNext(.replyLost, on: .writes)
        #expect(await code { _ = try await remote.write([write("a")]) } == .mayHaveBeenApplied)
        remote.failNext(.requestLost, on: .writes)
        #expect(await code { _ = try await remote.write([write("b")]) } == .mayHaveBeenApplied)
        remote.failNext(.timeoutAfterEffect)
        #expect(await code { _ = try await remote.write([write("c")]) } == .remoteTimeout)
        #expect(try await remote.contains(["a", "b", "c"].map { try CacheKey($0) }) == [true, false, true])
        // What asks has no effect that could be lost.
        remote.failNext(.replyLost)
        #expect(await code { try await remote.ping() } == .mayHaveBeenApplied)
    }

    @Test func `a slow store waits for the clock, and a cancelled caller does not`() async throws {
        let local = SimulatedLocalStore(clock: clock)
        local.setDelay(.seconds(2), on: .writes)
        let change = try put("k")
        let slow = Task { try await local.commit([change]) }
        try await clock.waitForSleepers(1)
        #expect(try await local.read([CacheKey("k")])[0] == nil)
        clock.advance(by: .seconds(2))
        _ = try await slow.value
        #expect(local.file.rows.count == 1)
        let cancelled = Task { try await local.commit([change]) }
        try await clock.waitForSleepers(1)
        cancelled.cancel()
        #expect(await code { _ = try await cancelled.value } == .cancelled)
        #expect(local.file.sequence(of: "k") == 1)
        local.setDelay(nil)
        try await local.commit([change])
        #expect(local.file.sequence(of: "k") == 2)
    }

    @Test func `one row is damaged and the others are not`() async throws {
        let local = SimulatedLocalStore(clock: clock)
        try await local.commit([put("a"), put("b")])
        local.alter(try CacheKey("a"))
        #expect(await code { _ = try await local.read([CacheKey("a")]) } == .tamperedStore)
        #expect(try await local.read([CacheKey("b")])[0]?.value == [1])
        try await local.commit([put("a")])
        #expect(try await local.read([CacheKey("a")])[0]?.value == [1])
    }

    @Test func `a remote evicts a key, refuses one, is written to by others, and loses everything`() async throws {
        let remote = SimulatedRemoteStore(clock: clock)
        let keys = try ["a", "b"].map { try CacheKey($0) }
        _ = try await remote.write([write("a"), write("b")])
        remote.evict(keys[0])
        #expect(try await remote.contains(keys) == [false, true])
        remote.refuse(keys[0], with: SimulatedFailure.rejected.error)
        guard case .failed(let error) = try await remote.write([write("a")])[0] else {
            Issue.record("it was not refused")
            return
        }
        #expect(error.code == .remoteRejected)
        remote.put([7], for: keys[0], expiresAt: nil)
        #expect(try await remote.read(keys).map { $0?.value } == [[7], [1]])
        remote.loseEverything()
        #expect(try await remote.contains(keys) == [false, false] && remote.count == 0)
    }

    @Test(arguments: [SimulatedFailure.diskFull, .inputOutput, .busy, .readOnly, .damaged, .tampered, .backPressure])
    func `a cache says what is wrong with its file, and goes on when it is well`(
        failure: SimulatedFailure
    ) async throws {
        let local = FailingLocalStore(SimulatedLocalStore(clock: clock), clock: clock)
        let cache = try await Cache.testing(clock: clock, local: local)
        local.failNext(failure, on: .writes)
        #expect(await code { try await cache.bytes.set([1], for: "k") } == failure.error.code)
        try await cache.bytes.set([2], for: "k")
        #expect(try await cache.bytes.get("k") == [2])
    }

    @Test(arguments: [SimulatedFailure.unavailable, .timeout, .notReady])
    func `a cache without a file counts a remote that is away as a miss, and says so to who writes`(
        failure: SimulatedFailure
    ) async throws {
        let remote = FailingRemoteStore(SimulatedRemoteStore(clock: clock), clock: clock)
        let cache = try await Cache.testing(clock: clock, remote: remote)
        remote.setOutage(failure)
        #expect(try await cache.bytes.get("k") == nil)
        #expect(await code { try await cache.bytes.set([1], for: "k") } == failure.error.code)
        #expect(try await cache.bytes.getOrSet("k") { [3] } == [3])
        #expect(remote.failedCalls >= 2)
    }
}

extension SimulatedFile {
    fileprivate func sequence(of key: String) -> UInt64? {
        rows.first { $0.key.string == key }?.value.sequence.number
    }
}
