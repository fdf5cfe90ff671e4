import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitRedis

// A real master, a real replica and three real sentinels, with passwords of their own for data and sentinels.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"),
    .sentinelSet)
struct SentinelTests {
    private let set: RedisSentinelSet

    init() throws {
        set = try #require(SentinelSetTrait.set)
    }

    private func makeStore(
        _ url: String? = nil, log: LogRecord = LogRecord(), _ change: (inout RedisConfiguration) -> Void = { _ in }
    ) throws -> RedisStore {
        try CacheKitRedisTests.makeStore(url ?? set.url, log: log) {
            $0.sentinelCredentials = { RedisCredentials(password: SentinelSetTrait.sentinelPassword) }
            change(&$0)
        }
    }

    /// Which of the servers is the master, by what they say themselves.
    private func master() throws -> RedisServer {
        try #require(set.servers.first { set.ask($0, "ROLE").contains("master") })
    }

    private func other(than server: RedisServer) throws -> RedisServer {
        try #require(set.servers.first { $0 !== server })
    }

    private func clients(of server: RedisServer) -> [Substring] {
        set.ask(server, "CLIENT LIST").split(separator: "\n").filter { $0.contains("name=cachekit ") }
    }

    private func failOver(by sentinel: RedisServer) async -> Bool {
        // Refused while the sentinel's picture of the replica is not fresh.
        await eventually { set.ask(sentinel, "SENTINEL FAILOVER \(set.name)").contains("+OK\r\n+OK") }
    }

    private func witness() async -> SwitchWitness {
        let sentinels = set.sentinels.filter { $0.processIdentifier != nil }
        let witness = SwitchWitness(
            ports: sentinels.map(\.port), master: set.name, password: SentinelSetTrait.sentinelPassword)
        #expect(await eventually { witness.subscribedCount == sentinels.count })
        return witness
    }

    @Test func `a master without memory left is read from`() async throws {
        try await set.waitUntilReady()
        let store = try makeStore()
        let keys = try (0..<40).map { try CacheKey("full \($0)") }
        _ = try await store.write(try keys.map { try put($0.string, [1]) })
        let full = try master()
        #expect(set.ask(full, "CONFIG SET maxmemory 1").contains("+OK\r\n+OK"))
        defer { _ = set.ask(full, "CONFIG SET maxmemory 0") }
        #expect(try await store.read(keys).allSatisfy { $0?.value == [1] })
        guard case .failed(let error) = try await store.write([try put("full", [2])])[0] else {
            throw CacheError(.internalFault, "there was room")
        }
        #expect(error.code == .remoteNotReady)
    }

    @Test func `a killed master is followed within a second of the switch, by every kind of call`() async throws {
        try await set.waitUntilReady()
        let old = try master()
        let new = try other(than: old)
        let witness = await witness()
        defer { witness.stop() }
        let log = LogRecord()
        let store = try makeStore(log: log)
        let load = SentinelLoad(store, waiting: try makeStore())
        async let running: Void = load.run()
        #expect(await eventually { load.calls.count > 500 && load.replicated.count > 20 })
        let killed = ContinuousClock.now
        old.kill9()
        #expect(await eventually { witness.firstAnnounced != nil })
        let announced = try #require(witness.firstAnnounced)
        let limit = announced + .seconds(1)
        #expect(
            await eventually {
                SentinelLoad.Kind.allCases.allSatisfy { kind in
                    load.calls.contains { $0.kind == kind && $0.code == nil && $0.began > limit }
                }
            })
        load.stop()
        await running

        let calls = load.calls
        for kind in SentinelLoad.Kind.allCases {
            let mine = calls.filter { $0.kind == kind }
            let first = try #require(mine.filter { $0.code == nil && $0.began > killed }.map(\.ended).min())
            #expect(first < limit, "\(kind): \(announced.duration(to: first)) after the announcement")
            #expect(mine.allSatisfy { $0.code == nil || $0.began < limit })
        }
        let codes = Set(calls.compactMap(\.code))
        #expect(codes.isSubset(of: [.remoteUnavailable, .mayHaveBeenApplied, .remoteTimeout, .remoteNotReady]))
        #expect(calls.allSatisfy { $0.began.duration(to: $0.ended) < .seconds(6) })
        // What a replica was known to have is there.
        let replicated = load.replicated
        let keys = try replicated.keys.map { try CacheKey($0) }
        let values = try await store.read(keys)
        #expect(zip(keys, values).allSatisfy { $1?.value == replicated[$0.string] })
        #expect(log.messages(.notice).contains("the Redis master has moved"))

        // The old master comes back as one, until the sentinels tell it otherwise: it gets nothing from us.
        try await old.restart()
        let back = SentinelLoad(store, waiting: try makeStore())
        async let runningAgain: Void = back.run(callersPerKind: 1)
        var strangers = 0
        #expect(
            await eventually {
                strangers += clients(of: old).count
                return set.ask(old, "ROLE").contains("slave")
            })
        back.stop()
        await runningAgain
        #expect(strangers == 0)
        #expect(back.calls.allSatisfy { $0.code == nil })
        #expect(set.ask(new, "ROLE").contains("master"))
        await store.close()
    }

    @Test func `a planned failover is an error to few callers`() async throws {
        try await set.waitUntilReady()
        let new = try other(than: try master())
        let witness = await witness()
        defer { witness.stop() }
        let store = try makeStore()
        let load = SentinelLoad(store, waiting: try makeStore())
        async let running: Void = load.run()
        #expect(await eventually { load.calls.count > 300 })
        #expect(await failOver(by: set.sentinels[1]))
        #expect(await eventually { witness.firstAnnounced != nil })
        let limit = try #require(witness.firstAnnounced) + .seconds(1)
        #expect(await eventually { load.calls.contains { $0.code == nil && $0.began > limit } })
        load.stop()
        await running
        let failed = load.calls.filter { $0.code != nil }
        // Those in flight at the switch, and reads not at all.
        #expect(failed.count * 20 < load.calls.count)
        #expect(failed.allSatisfy { $0.kind != .read && $0.began < limit })
        #expect(try await store.masters() == [.tcp(host: "127.0.0.1", port: new.port)])
        await store.close()
    }

    @Test func `a sentinel that dies is replaced, by one that only it knew`() async throws {
        try await set.waitUntilReady()
        let subscribed = set.sentinels[0]
        let user = ":\(SentinelSetTrait.password)@"
        let log = LogRecord()
        let store = try makeStore("redis+sentinel://\(user)127.0.0.1:\(subscribed.port)/\(set.name)", log: log)
        try await store.ping()
        func isSubscribed(to sentinels: [RedisServer]) -> Bool {
            sentinels.contains { clients(of: $0).contains { $0.contains(" sub=2 ") } }
        }
        #expect(await eventually { isSubscribed(to: [subscribed]) })
        subscribed.kill9()
        #expect(await eventually { isSubscribed(to: Array(set.sentinels.dropFirst())) })

        let old = try master()
        let witness = await witness()
        defer { witness.stop() }
        #expect(await failOver(by: set.sentinels[2]))
        #expect(await eventually { witness.firstAnnounced != nil })
        let announced = try #require(witness.firstAnnounced)
        // Nobody calls meanwhile: it is the announcement that moves the connection.
        #expect(await eventually { clients(of: old).isEmpty })
        #expect(await eventually { log.messages(.notice) == ["the Redis master has moved"] })
        #expect(announced.duration(to: .now) < .seconds(1))
        try await store.apply(try put("a", [1]))
        await store.close()
        try await set.restart(subscribed)
    }

    @Test func `values and scripts go to the master that the sentinels name, with a password for each`() async throws {
        try await set.waitUntilReady()
        let store = try makeStore()
        try await store.apply(try put("found", [1]))
        let script = words("EVAL", "return redis.call('GET', KEYS[1])", "1", "found")
        #expect(try await store.command(script, for: "found") == .bulkString([1]))
        let master = try master()
        let replica = try other(than: master)
        #expect(await eventually { clients(of: master).count == 1 && clients(of: replica).isEmpty })
        #expect(try await store.masters() == [.tcp(host: "127.0.0.1", port: master.port)])
        await store.close()
        #expect(await eventually { set.sentinels.allSatisfy { clients(of: $0).isEmpty } })
        #expect(await code { try await store.ping() } == .shutdown)
    }

    @Test func `sentinels that want a password say so, and the data's is not tried`() async throws {
        let log = LogRecord()
        let store = try makeStore(log: log) { $0.sentinelCredentials = nil }
        do {
            try await store.ping()
            Issue.record("nobody asked for a password")
        } catch {
            #expect(error.code == .remoteAuthentication)
            #expect(error.message.contains("sentinelCredentials"))
        }
        let refused = try makeStore { $0.sentinelCredentials = { RedisCredentials(password: "wrong") } }
        #expect(await code { try await refused.ping() } == .remoteAuthentication)
        struct Unavailable: Error {}
        let failing = try makeStore { $0.sentinelCredentials = { throw Unavailable() } }
        #expect(await code { try await failing.ping() } == .remoteAuthentication)
        for store in [store, refused, failing] { await store.close() }
    }

    @Test func `a master that no sentinel knows is a mistake in the address`() async throws {
        let store = try makeStore(set.url + "-unknown")
        do {
            try await store.ping()
            Issue.record("a master of that name was found")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(error.message.contains("name"))
        }
        await store.close()
    }
}

// No sentinel at all.
@Suite(.timeLimit(.minutes(1))) struct SentinelAbsenceTests {
    @Test func `no sentinel in reach is an error at once, and one warning`() async throws {
        let log = LogRecord()
        let store = try makeStore("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", log: log) {
            $0.maximumBackoff = .milliseconds(5)
        }
        var codes: Set<CacheError.Code?> = []
        #expect(
            await eventually {
                codes.insert(await code { try await store.ping() })
                return log.messages(.debug).count > 10
            })
        #expect(codes == [.remoteUnavailable])
        #expect(log.messages(.warning).filter { $0.contains("no sentinel") }.count == 1)
        #expect(await code { _ = try await store.masters() } == .remoteUnavailable)
        await store.close()
    }

    @Test func `a sentinel that says nothing costs no more than the time for connecting`() async throws {
        let silent = try ScriptedServer { peer in _ = peer.isClosedByClient() }
        defer { silent.stop() }
        let store = try makeStore("redis+sentinel://127.0.0.1:\(silent.port)/main") {
            $0.connectTimeout = .milliseconds(300)
        }
        let began = ContinuousClock.now
        let failure = await code { try await store.ping() }
        #expect(failure == .remoteUnavailable || failure == .remoteTimeout)
        #expect(began.duration(to: .now) < .seconds(10))
        await store.close()
    }

    @Test func `a credentials provider for sentinels that hangs costs no more either`() async throws {
        let silent = try ScriptedServer { peer in _ = peer.isClosedByClient() }
        defer { silent.stop() }
        let store = try makeStore("redis+sentinel://127.0.0.1:\(silent.port)/main") {
            $0.connectTimeout = .milliseconds(300)
            $0.sentinelCredentials = {
                try await Task.sleep(for: .seconds(3))
                return RedisCredentials(password: "late")
            }
        }
        let failure = await code { try await store.ping() }
        #expect(failure == .remoteUnavailable || failure == .remoteTimeout)
        #expect(silent.connectionCount == 0)
        await store.close()
    }
}
