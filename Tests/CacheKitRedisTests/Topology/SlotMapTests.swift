import CacheKitCore
import Testing

@testable import CacheKitRedis

private let asked = RedisEndpoint.tcp(host: "10.0.0.9", port: 7000)

private func text(_ string: String) -> RESPValue { .bulkString(Array(string.utf8)) }
private func server(_ host: RESPValue, _ port: Int64, _ more: RESPValue...) -> RESPValue {
    .array([host, .integer(port), text("id")] + more)
}
private func range(_ first: Int64, _ last: Int64, _ servers: RESPValue...) -> RESPValue {
    .array([.integer(first), .integer(last)] + servers)
}

@Suite struct SlotMapTests {
    @Test func `each slot has the master and the replicas of its range`() throws {
        let reply = RESPValue.array([
            range(0, 99, server(text("a"), 1, .array([])), server(text("r"), 2, .array([]))),
            range(100, 16_382, server(text("::1"), 3, .array([]))),
        ])
        let map = try SlotMap(reply, from: asked)
        #expect(map.masters == [.tcp(host: "a", port: 1), .tcp(host: "::1", port: 3)])
        for (slot, master) in [(0, 0), (99, 0), (100, 1), (16_382, 1)] {
            #expect(map.shard(of: try #require(HashSlot(number: slot))) == map.shards[master])
        }
        #expect(map.shards[0].replicas == [.tcp(host: "r", port: 2)])
        #expect(map.shard(of: try #require(HashSlot(number: 16_383))) == nil)
    }

    @Test func `the ranges of one master are one shard`() throws {
        let reply = RESPValue.array([
            range(0, 9, server(text("a"), 1)), range(10, 19, server(text("b"), 1)),
            range(20, 29, server(text("a"), 1), server(text("r"), 1)),
        ])
        let map = try SlotMap(reply, from: asked)
        #expect(map.shards.map(\.master) == [.tcp(host: "a", port: 1), .tcp(host: "b", port: 1)])
        #expect(map.shards[0].replicas == [.tcp(host: "r", port: 1)])
    }

    @Test func `a server without a host is at the one that was asked, and one without a name at its address`() throws {
        let names = RESPValue.array([text("ip"), text("10.1.1.1")])
        let reply = RESPValue.array([
            range(0, 9, server(.null, 1, .array([]))), range(10, 19, server(text(""), 2)),
            range(20, 29, server(text("?"), 3, names)), range(30, 39, server(text("?"), 4, .array([]))),
        ])
        let map = try SlotMap(reply, from: asked)
        #expect(
            map.masters == [
                .tcp(host: "10.0.0.9", port: 1), .tcp(host: "10.0.0.9", port: 2), .tcp(host: "10.1.1.1", port: 3),
            ])
        #expect(map.shard(of: try #require(HashSlot(number: 35))) == nil)
    }

    @Test func `a slot that was learned of belongs to another, known or not`() throws {
        var map = try SlotMap(
            .array([range(0, 9, server(text("a"), 1)), range(10, 16_383, server(text("b"), 1))]), from: asked)
        let slot = try #require(HashSlot(number: 5))
        map.learn(slot, isAt: .tcp(host: "b", port: 1))
        #expect(map.shard(of: slot)?.master == .tcp(host: "b", port: 1))
        map.learn(slot, isAt: .tcp(host: "c", port: 1))
        #expect(map.shard(of: slot)?.master == .tcp(host: "c", port: 1))
        #expect(map.masters.count == 3)
        for port in 1...2 * SlotMap.maximumServers { map.learn(slot, isAt: .tcp(host: "d", port: port)) }
        #expect(map.masters.count == SlotMap.maximumServers)
    }

    private static let host = server(text("a"), 1)

    private static let impossible: [RESPValue] = [
        .null, .integer(1), text("x"), .error("ERR x"),
        .array([.null]), .array([.array([])]), .array([.array([.integer(0), .integer(1)])]),
        .array([range(-1, 5, host)]), .array([range(5, 4, host)]), .array([range(0, 16_384, host)]),
        .array([range(.min, .max, host)]), .array([range(0, .max, host)]), .array([range(.min, -1, host)]),
        .array([range(0, 5, host), range(5, 9, host)]), .array([range(0, 5, .null)]),
        .array([.array([text("0"), .integer(5), host])]), .array([range(0, 5, .array([text("a")]))]),
        .array([range(0, 5, .array([.integer(1), .integer(1)]))]), .array([range(0, 5, server(text("a"), 0))]),
        .array([range(0, 5, server(text("a"), 65_536))]), .array([range(0, 5, server(text("a"), .min))]),
        .array([range(0, 5, server(text("a b"), 1))]), .array([range(0, 5, server(text("a\u{0}"), 1))]),
        .array([range(0, 5, server(text("é"), 1))]),
        .array([range(0, 5, server(text(String(repeating: "a", count: 256)), 1))]),
        .array([.array([.integer(0), .integer(5)] + (1...65).map { server(text("a"), $0) })]),
        .array((0..<16_385).map { _ in range(0, 0, host) }),
        .array((0..<2000).map { range($0, $0, server(text("a"), $0 + 1)) }),
        .array(
            (0..<30).map { n in
                range(n, n, host, server(text("a"), 10 * n + 2), server(text("b"), n + 2), server(text("c"), n + 2))
            }),
        .array(
            (0..<500).map { n in
                range(n, n, server(text("a"), n + 1), server(text("b"), n + 1), server(text("c"), n + 1))
            }),
    ]

    @Test func `what can't be the map of a Cluster is refused`() {
        for (number, reply) in Self.impossible.enumerated() {
            let error = #expect(throws: CacheError.self, "reply \(number)") { try SlotMap(reply, from: asked) }
            #expect(error?.code == .remoteProtocol, "reply \(number)")
        }
    }

    @Test func `a Cluster without slots is not ready`() {
        for reply in [RESPValue.array([]), .array([range(0, 5, server(text("?"), 1))])] {
            let error = #expect(throws: CacheError.self) { try SlotMap(reply, from: asked) }
            #expect(error?.code == .remoteNotReady)
        }
    }
}

@Suite struct RedirectionTests {
    @Test(
        arguments: [
            ("MOVED 5 10.0.0.1:7001", .moved(.tcp(host: "10.0.0.1", port: 7001))),
            ("MOVED 5 ::1:7001", .moved(.tcp(host: "::1", port: 7001))),
            ("MOVED 5 :7001", .moved(.tcp(host: "10.0.0.9", port: 7001))),
            ("ASK 5 node.internal:7001", .ask(.tcp(host: "node.internal", port: 7001))),
            ("TRYAGAIN Multiple keys request during rehashing of slot", .tryAgain),
            ("CLUSTERDOWN The cluster is down", .notReady), ("LOADING x", .notReady), ("READONLY x", .notReady),
            ("MASTERDOWN x", .notReady), ("ERR MOVED 5 a:1", nil), ("MOVEDX 5 a:1", nil), ("", nil), ("OOM x", nil),
            ("MOVED", .malformed), ("MOVED 5", .malformed), ("MOVED 16384 a:1", .malformed),
            ("MOVED -1 a:1", .malformed),
            ("MOVED 5 a", .malformed), ("MOVED 5 a:0", .malformed), ("MOVED 5 a:65536", .malformed),
            ("MOVED 5 a:1 b", .malformed), ("ASK x a:1", .malformed), ("ASK 5 a\u{7F}:1", .malformed),
        ] as [(String, Redirection?)])
    func `an error reply says where to go, or that it is not the time`(_ text: String, _ expected: Redirection?) {
        #expect(Redirection(text, from: asked) == expected)
    }

    @Test func `the first error of a transaction decides, not what follows from it`() {
        let aborted: [RESPValue] = [
            .simpleString("OK"), .simpleString("QUEUED"), .error("ASK 5 a:1"), .error("EXECABORT x"),
        ]
        #expect(Redirection.first(in: aborted[...], from: asked)?.redirection == .ask(.tcp(host: "a", port: 1)))
        #expect(Redirection.first(in: [.error("NOPERM x"), .error("MOVED 5 a:1")], from: asked) == nil)
        #expect(Redirection.first(in: [.array([.error("MOVED 5 a:1")])], from: asked) == nil)
    }
}
