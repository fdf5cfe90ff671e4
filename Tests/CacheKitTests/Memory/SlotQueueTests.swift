import CacheKitTesting
import Testing

@testable import CacheKit

struct SlotQueueTests {
    @Test(arguments: [UInt64(41), 42])
    func `two queues over one array agree with two lists`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var slots = (0..<64).map { QueuedSlot(weight: $0 * 7, isInMain: false) }
        var queues = [SlotQueue(), SlotQueue()]
        var lists: [[Int]] = [[], []]
        for step in 0..<20_000 {
            let slot = Int(random.next() % 64)
            if let list = lists.firstIndex(where: { $0.contains(slot) }) {
                queues[list].remove(slot, from: &slots)
                lists[list].removeAll { $0 == slot }
            } else {
                let list = Int(random.next() % 2)
                queues[list].append(slot, in: &slots)
                lists[list].append(slot)
            }
            for list in 0..<2 {
                try #require(queues[list].oldest == lists[list].first, "seed \(seed), step \(step)")
                try #require(queues[list].count == lists[list].count, "seed \(seed), step \(step)")
                try #require(queues[list].bytes == lists[list].reduce(0) { $0 + $1 * 7 }, "seed \(seed), step \(step)")
            }
        }
    }

    @Test func `a slot tells its weight and its queue apart, also where the weight is too large`() {
        for weight in [0, 1, 1 << 20, 1 << 31 - 1, 1 << 40] {
            var slot = QueuedSlot(weight: weight, isInMain: false)
            #expect(!slot.isInMain && slot.weight == min(weight, 1 << 31 - 1))
            slot.isInMain = true
            #expect(slot.isInMain && slot.weight == min(weight, 1 << 31 - 1))
        }
    }
}
