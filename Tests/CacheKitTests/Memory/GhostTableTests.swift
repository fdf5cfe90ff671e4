import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct GhostTableTests {
    private func hash(_ number: UInt64) -> Hash128 {
        var random = SeededRandom(seed: number)
        return Hash128(low: random.next(), high: random.next())
    }

    @Test func `a key that was evicted is remembered once, with its queue and its age in evictions of that queue`() {
        var ghosts = GhostTable()
        ghosts.remember(hash(1), .probation, held: 100)
        ghosts.remember(hash(2), .main, held: 100)
        for number in UInt64(10)..<17 { ghosts.remember(hash(number), .probation, held: 100) }
        ghosts.remember(hash(3), .main, held: 100)
        let first = ghosts.take(hash(1))
        #expect(first?.queue == .probation && first?.age == 7)
        let second = ghosts.take(hash(2))
        #expect(second?.queue == .main && second?.age == 1)
        #expect(ghosts.take(hash(1)) == nil)
        #expect(ghosts.take(hash(99)) == nil)
    }

    @Test func `a key that is evicted again is as young as the last time`() {
        var ghosts = GhostTable()
        ghosts.remember(hash(1), .probation, held: 10)
        ghosts.remember(hash(2), .probation, held: 10)
        ghosts.remember(hash(1), .main, held: 10)
        #expect(ghosts.take(hash(1))?.queue == .main)
        #expect(ghosts.take(hash(1)) == nil)
    }

    @Test(arguments: [10, 100, 5000])
    func `of the last evictions, as many as entries are held, nearly all are remembered`(held: Int) {
        var ghosts = GhostTable()
        for number in 0..<UInt64(held * 5) { ghosts.remember(hash(number), .probation, held: held) }
        let youngest = UInt64(held * 4)..<UInt64(held * 5)
        let known = youngest.count { number in
            ghosts.take(hash(number)).map { $0.age == held * 5 - 1 - Int(number) } ?? false
        }
        #expect(known >= held * 9 / 10)
    }

    @Test func `what is remembered outlives growing`() {
        var ghosts = GhostTable()
        for number in 0..<UInt64(1000) { ghosts.remember(hash(number), .probation, held: 10 + Int(number)) }
        let known = (0..<UInt64(1000)).count { ghosts.take(hash($0)) != nil }
        // Some were the oldest of a full bucket.
        #expect(known > 800)
    }

    @Test func `nothing is remembered of an order that never evicted`() {
        var ghosts = GhostTable()
        #expect(ghosts.take(hash(1)) == nil)
    }
}
