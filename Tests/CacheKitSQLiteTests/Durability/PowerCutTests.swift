import CacheKitTesting
import Testing

/// The power is cut at seeded instants; the file then holds what the store promised.
///
/// Several tasks write at the same time, so a seed repeats the instant and what the disk makes of it, not the order of
/// their commits.
@Suite(.timeLimit(.minutes(30))) struct PowerCutTests {
    private static let lives = 4

    /// Cuts the power so many times, four times for each file; gives what was acknowledged and lost.
    private func cut(_ count: Int, isFull: Bool) async throws -> (acknowledged: Int, lost: Int) {
        let start = UInt64.random(in: 0...UInt64.max)
        print("power cuts from seed \(start), \(isFull ? "full" : "relaxed")")
        var sums = (acknowledged: 0, lost: 0)
        var atOnce = 0
        for file in 0..<(count + Self.lives - 1) / Self.lives {
            let seed = start &+ UInt64(file)
            var random = SeededRandom(seed: seed)
            // How long each part is.
            let measured = try PowerCutWorld(isFull: isFull, seed: seed)
            let parts = await measured.live(0, cutting: nil)
            let world = try PowerCutWorld(isFull: isFull, seed: seed)
            for life in 0..<Self.lives {
                let moments: [PowerCutWorld.Moment] =
                    life == 0 ? [.opening, .working, .closing] : [.working, .working, .working, .closing, .opening]
                let moment = moments.randomElement(using: &random) ?? .working
                // One in some comes when all is done.
                let ordinal = Int.random(in: 1...max(parts[moment] ?? 1, 1) * 21 / 20 + 1, using: &random)
                _ = await world.live(life, cutting: (moment, ordinal))
                if !world.vfs.isCut { atOnce += 1 }
                try world.vfs.restorePower(seed: random.next())
                let violations = await world.judge()
                #expect(violations.isEmpty, "seed \(seed), life \(life), \(moment) \(ordinal)")
                guard violations.isEmpty else { break }
            }
            sums.acknowledged += world.ledger.counts.acknowledged
            sums.lost += world.ledger.counts.lost
        }
        print("\(count) cuts, \(atOnce) of them after closing: \(sums.acknowledged) acknowledged, \(sums.lost) lost")
        return sums
    }

    @Test func `a power cut takes nothing that was acknowledged with full durability`() async throws {
        let count = TestEffort.count(short: 60, long: 500)
        let sums = try await cut(count, isFull: true)
        #expect(sums.lost == 0)
        #expect(sums.acknowledged > 10 * count)
    }

    @Test func `a power cut leaves a relaxed file whole, with a prefix of its commits and all that was handed out`()
        async throws
    {
        let count = TestEffort.count(short: 60, long: 500)
        let sums = try await cut(count, isFull: false)
        #expect(sums.acknowledged > 10 * count)
        // Else nothing was held back, and the test shows nothing.
        #expect(sums.lost > count / 4)
    }
}
