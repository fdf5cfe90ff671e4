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
        let runs = HotLogRuns(seed: random)
        var work = CrashWork(rounds: rounds)
        var isChecked = true
        // Where the machine is busy, a child does less before it is killed: then there are more of them.
        while work.done < rounds || !work.isEnough(ledger, ring) && work.done < 5 * rounds {
            let round = work.done
            work.done += 1
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let isRetiring = ring.advance(round)
            if world.hasLog { work.hotStarts += 1 }
            let child = try ChildProcess([
                world.path, ring.hex, "\(random)", durability, isRetiring ? "retire" : "keep",
            ])
            // One in four is killed while it opens the file, admits a key, or begins.
            let fromStart = random >> 60 < 4
            let lines = try child.runAndKill(after: (random >> 33) % (fromStart ? 60 : 110), fromStart: fromStart)
            #expect(child.wasKilled, "round \(round): the child ended by itself")
            #expect(fromStart || lines.first?.hasPrefix("open ") == true, "round \(round)")
            if try ledger.note(lines) { ring.forgetPrevious() }
            isChecked = !runs.leavesLog(after: round)
            guard isChecked else { continue }
            try await world.check(&ledger, ring, round: round)
            if (round + 1).isMultiple(of: HotLogRuns.block) { try await world.finishRotation(&ring, round: round) }
        }
        if !isChecked { try await world.check(&ledger, ring, round: work.done - 1) }
        let summary = work.summary(ledger, ring)
        print(summary)
        let isEnough = work.isEnough(ledger, ring)
        #expect(isEnough, "too little was done to prove anything: \(summary)")
    }
}
