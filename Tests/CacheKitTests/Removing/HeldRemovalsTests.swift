import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct HeldRemovalsTests {
    private let now = Timestamp(milliseconds: 1_800_000_000_000)

    private func stamp(_ delay: Duration) -> UInt64 { UInt64(now.advanced(by: delay).milliseconds) << 16 }

    private func removes(_ removals: HeldRemovals, _ key: String, _ delay: Duration, tags: [String] = []) throws -> Bool
    {
        var attributes = ValueAttributes()
        attributes.stamp = stamp(delay)
        attributes.tags = try ValueAttributes.hashes(of: tags)
        return removals.removes(try CacheKey(key), attributes)
    }

    @Test func `what is older than the removal of a namespace around it or of one of its tags was removed`() throws {
        var removals = HeldRemovals(now: now)
        #expect(removals.isEmpty)
        removals.takeIn(RemovalMarker("a", .all), stamp(.seconds(-10)))
        removals.takeIn(RemovalMarker("b:c", .tag(try TagHash("t"))), stamp(.seconds(-10)))
        removals.takeIn(RemovalMarker("b:c", .anyTag), stamp(.seconds(-5)))
        #expect(!removals.isEmpty)
        #expect(try removes(removals, "a:1", .seconds(-11)))
        #expect(try removes(removals, "a:b:1", .seconds(-10)))
        #expect(try !removes(removals, "a:1", .seconds(-9)))
        #expect(try !removes(removals, "aa:1", .seconds(-11)))
        #expect(try !removes(removals, "a", .seconds(-11)))
        #expect(try removes(removals, "b:c:1", .seconds(-11), tags: ["x", "t"]))
        #expect(try !removes(removals, "b:c:1", .seconds(-11), tags: ["x"]))
        #expect(try !removes(removals, "b:c:1", .seconds(-9), tags: ["t"]))
        #expect(try !removes(removals, "b:1", .seconds(-11), tags: ["t"]))
    }

    @Test
    func `a removal by a clock that is far ahead takes what was there, and what lies as far ahead if it is older`()
        throws
    {
        var removals = HeldRemovals(now: now)
        removals.takeIn(RemovalMarker("a", .all), stamp(.seconds(86_400)))
        #expect(try removes(removals, "a:1", .seconds(-1)))
        #expect(try !removes(removals, "a:1", .seconds(1)))
        #expect(try removes(removals, "a:1", .seconds(86_000)))
        #expect(try !removes(removals, "a:1", .seconds(87_000)))
    }
}
