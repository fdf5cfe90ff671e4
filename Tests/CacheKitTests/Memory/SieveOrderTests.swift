import CacheKitTesting
import Testing

@testable import CacheKit

struct SieveOrderTests {
    private func evict(_ order: inout SieveOrder) -> Int? {
        let victim = order.victim()
        if let victim { order.removed(victim) }
        return victim
    }

    @Test func `without hits the oldest goes first`() {
        var order = SieveOrder()
        for slot in 0..<4 { order.inserted(slot) }
        #expect((0..<5).map { _ in evict(&order) } == [0, 1, 2, 3, nil])
    }

    @Test func `an entry that was read is passed over once`() {
        var order = SieveOrder()
        for slot in 0..<4 { order.inserted(slot) }
        order.touched(0)
        order.touched(2)
        #expect((0..<4).map { _ in evict(&order) } == [1, 3, 0, 2])
    }

    @Test func `the hand goes on from where it stopped, also past entries that came later`() {
        var order = SieveOrder()
        for slot in 0..<3 { order.inserted(slot) }
        order.touched(0)
        #expect(evict(&order) == 1)
        order.inserted(1)
        order.touched(1)
        // The hand stands at 2; 0 was passed and lost its bit, but is behind the hand until that wraps around.
        #expect(evict(&order) == 2)
        #expect(evict(&order) == 0)
        #expect(evict(&order) == 1)
    }

    @Test func `the walk ends where everything was read`() {
        var order = SieveOrder()
        for slot in 0..<100 { order.inserted(slot) }
        for slot in 0..<100 { order.touched(slot) }
        #expect(evict(&order) == 0)
        #expect(evict(&order) == 1)
    }

    @Test(arguments: [UInt64(11), 12, 13])
    func `a victim is always held, whatever was removed before`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var order = SieveOrder()
        var held: Set<Int> = []
        for _ in 0..<20_000 {
            let slot = Int(random.next() % 64)
            switch random.next() % 4 {
            case 0 where !held.contains(slot):
                order.inserted(slot)
                held.insert(slot)
            case 1 where held.contains(slot): order.touched(slot)
            case 2 where held.contains(slot):
                order.removed(slot)
                held.remove(slot)
            default:
                let victim = order.victim()
                try #require((victim == nil) == held.isEmpty, "seed \(seed)")
                guard let victim else { continue }
                try #require(held.remove(victim) != nil, "seed \(seed)")
                order.removed(victim)
            }
        }
    }
}
