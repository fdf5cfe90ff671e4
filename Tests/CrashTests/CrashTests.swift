import Foundation
import Testing

@Suite(.serialized) struct CrashTests {
    private static var rounds: Int {
        ProcessInfo.processInfo.environment["CACHEKIT_CRASH_ROUNDS"].flatMap(Int.init) ?? 20
    }

    @Test(arguments: ["full", "relaxed"])
    func `a process that is killed while it writes and rotates loses nothing that was acknowledged`(durability: String)
        async throws
    {
        var random = UInt64.random(in: 1 ... .max)
        print("crash seed \(random), \(durability)")
        let world = try CrashWorld()
        defer { world.remove() }
        var ring = RotatingRing(seed: random)
        var ledger = CrashLedger()
        let rounds = (Self.rounds + 1) / 2
        for round in 0..<rounds {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let isRetiring = ring.advance(round)
            let child = try ChildProcess([
                world.path, ring.hex, "\(random)", durability, isRetiring ? "retire" : "keep",
            ])
            // One in four is killed while it opens the file, admits a key, or begins.
            let fromStart = random >> 60 < 4
            let lines = try child.runAndKill(after: (random >> 33) % (fromStart ? 60 : 110), fromStart: fromStart)
            #expect(child.wasKilled, "round \(round): the child ended by itself")
            #expect(fromStart || lines.first == "open", "round \(round)")
            if try ledger.note(lines) { ring.forgetPrevious() }
            try await world.check(&ledger, ring, round: round)
            if round % 6 == 5 { try await world.finishRotation(&ring, round: round) }
        }
        print(
            "\(rounds) rounds: \(ledger.acknowledged) changes acknowledged, \(ledger.resealed) values sealed anew, "
                + "\(ledger.evicted) keys evicted, \(ring.promotions) keys promoted, \(ring.retirements) retirements")
        // A child that is killed before it does anything proves nothing.
        #expect(ledger.acknowledged > 10 * rounds)
        if rounds >= 50 {
            #expect(ledger.resealed > rounds / 2 && ledger.evicted > rounds)
            #expect(ring.promotions > rounds / 8 && ring.retirements > rounds / 12)
        }
    }
}
