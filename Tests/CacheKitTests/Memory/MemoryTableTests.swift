import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct MemoryTableTests {
    /// How hashes are drawn: freely, all to a few buckets, or besides with equal tags.
    enum Hashes: CaseIterable, CustomTestStringConvertible {
        case spread
        case fewHomes
        case fewHomesAndOneTag

        func draw(_ number: UInt64) -> Hash128 {
            var random = SeededRandom(seed: number)
            switch self {
            case .spread: return Hash128(low: random.next(), high: random.next())
            case .fewHomes: return Hash128(low: number << 32 | number % 3, high: random.next())
            case .fewHomesAndOneTag: return Hash128(low: number << 32 | 13 + number % 3, high: number & 0xFFFF)
            }
        }

        var testDescription: String { "\(self)" }
    }

    @Test(arguments: Hashes.allCases, [UInt64(1), 2, 3])
    func `the table agrees with a dictionary over random inserts, removals and lookups`(
        hashes: Hashes, seed: UInt64
    ) throws {
        var random = SeededRandom(seed: seed)
        var table = MemoryTable()
        var slots: [Hash128?] = Array(repeating: nil, count: 400)
        var model: [Hash128: Int] = [:]
        for step in 0..<20_000 {
            let hash = hashes.draw(random.next() % 600)
            let found = table.slot(of: hash, matches: { slots[$0] == hash })
            try #require(found == model[hash], "seed \(seed), step \(step)")
            if let slot = found {
                guard random.next() % 3 == 0 else { continue }
                table.remove(hash, slot: slot, hashOf: { slots[$0] ?? hash })
                slots[slot] = nil
                model[hash] = nil
            } else if let slot = slots.firstIndex(of: nil) {
                slots[slot] = hash
                table.insert(hash, slot: slot, hashOf: { slots[$0] ?? hash })
                model[hash] = slot
            }
            try #require(table.count == model.count)
        }
        for (hash, slot) in model {
            #expect(table.slot(of: hash, matches: { slots[$0] == hash }) == slot)
        }
    }

    @Test func `removing a slot that is not in the table changes nothing`() {
        var table = MemoryTable()
        let hash = Hash128(low: 1, high: 2)
        table.insert(hash, slot: 0, hashOf: { _ in hash })
        table.remove(Hash128(low: 1, high: 3), slot: 7, hashOf: { _ in hash })
        #expect(table.count == 1)
        #expect(table.slot(of: hash, matches: { $0 == 0 }) == 0)
    }

    @Test func `a table made for many entries holds them`() {
        var table = MemoryTable(minimumCapacity: 1000)
        let hashes = (0..<5000).map { Hashes.spread.draw($0) }
        for slot in hashes.indices { table.insert(hashes[slot], slot: slot, hashOf: { hashes[$0] }) }
        #expect(table.count == 5000)
        #expect(hashes.indices.allSatisfy { slot in table.slot(of: hashes[slot], matches: { $0 == slot }) == slot })
    }
}
