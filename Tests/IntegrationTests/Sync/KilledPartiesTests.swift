import CacheKit
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

/// `kill -9` of the node, of Redis, or of both, at random moments of a push.
@Suite(
    .serialized, .timeLimit(.minutes(10)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct KilledPartiesTests {
    /// What may stand under a key: what was acknowledged last, and what was tried after it. `nil` is nothing.
    private struct Ledger {
        var allowed: [String: [Int?]] = [:]
        var acknowledged = 0
        var highest = 0

        mutating func note(_ lines: [String]) {
            for line in lines {
                let words = line.split(separator: " ")
                guard words.count == 2, let number = Int(words[1]) else { continue }
                let key = "k\(abs(number) % 300)"
                let value = number < 0 ? nil : number
                highest = max(highest, abs(number))
                if words[0] == "ack" {
                    acknowledged += 1
                    allowed[key] = [value]
                } else {
                    allowed[key, default: [nil]].append(value)
                }
            }
        }
    }

    @Test(arguments: ["no", "yes"])
    func `what was acknowledged before a kill is in Redis after a drain`(appendOnly: String) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let scene = try SyncScene()
        let server = try await RedisServer.start(["--appendonly", appendOnly])
        let key = SyncScene.masterKey.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        var ledger = Ledger()
        let rounds = TestEffort.count(short: 10, long: 100)
        var kills = ["node": 0, "server": 0, "both": 0]
        for round in 0..<rounds {
            let victim = ["node", "server", "both"][Int.random(in: 0..<3, using: &random)]
            kills[victim, default: 0] += 1
            let child = try NodeProcess(["write", scene.path("a"), key, server.url, String(ledger.highest)])
            // Some are killed while they open the file.
            if round % 4 != 3 { try await eventually("the child's beginning") { child.hasBegun } }
            // The moment of the kill is what the seed draws.
            try await Task.sleep(for: .milliseconds(Int.random(in: 30..<350, using: &random)))
            switch victim {
            case "node": child.kill9()
            case "server":
                server.kill9()
                try await server.restart()
                try await Task.sleep(for: .milliseconds(Int.random(in: 1..<150, using: &random)))
                child.kill9()
            default:
                if Bool.random(using: &random) { child.kill9() }
                server.kill9()
                child.kill9()
                try await server.restart()
            }
            let end = try await child.ended()
            #expect(end.wasKilled, "round \(round): the child ended by itself")
            ledger.note(end.lines)
        }
        let node = try await scene.node(server.url) { $0.marksInterval = .milliseconds(200) }
        try await node.running {
            let keys = Array(ledger.allowed.keys)
            var wrong = 0
            var held: [String: Int] = [:]
            try await eventually("a drain") {
                _ = try await node.settled()
                held = try await SyncScene.numbers(server.url, keys)
                wrong = keys.count { !(ledger.allowed[$0] ?? []).contains(held[$0]) }
                return wrong == 0
            }
            let outcomes = try await node.settled().outcomes
            #expect(outcomes.lost + outcomes.parked + outcomes.deadLettered + outcomes.expired == 0, "\(outcomes)")
            print(
                "appendonly \(appendOnly), seed \(seed): \(rounds) rounds \(kills), \(ledger.acknowledged) changes acknowledged,",
                "\(keys.count) keys, \(held.count) of them with a value; at last \(outcomes)")
        }
        #expect(ledger.acknowledged > rounds * 5, "too little was done to prove anything")
        server.stop()
    }
}
