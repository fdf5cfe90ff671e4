import Testing

@testable import CacheKitRedis

@Suite struct LaneKeysTests {
    @Test func `keys are held for as long as any batch of theirs is referred to`() {
        let keys = LaneKeys()
        var first: LaneKeys.Hold? = keys.hold(["a", "b", "b"])
        var second: LaneKeys.Hold? = keys.hold(["b"])
        #expect(keys.containsAny(of: ["x", "a"]) && keys.containsAny(of: ["b"]) && !keys.containsAny(of: ["x"]))
        withExtendedLifetime(first) {}
        first = nil
        #expect(!keys.containsAny(of: ["a"]) && keys.containsAny(of: ["b"]))
        withExtendedLifetime(second) {}
        second = nil
        #expect(keys.isEmpty)
    }

    @Test func `what lingers goes with an answer that was asked for later, and not with one asked before`() {
        let keys = LaneKeys()
        let early = keys.mark
        keys.linger(keys.hold(["a"]))
        let middle = keys.mark
        keys.linger(keys.hold(["b"]))
        keys.settle(before: early)
        #expect(keys.containsAny(of: ["a"]) && keys.containsAny(of: ["b"]))
        keys.settle(before: middle)
        #expect(!keys.containsAny(of: ["a"]) && keys.containsAny(of: ["b"]))
        // An answer that comes out of order has nothing left to do.
        keys.settle(before: middle)
        #expect(keys.containsAny(of: ["b"]))
        keys.settle(before: keys.mark)
        #expect(keys.isEmpty)
    }

    @Test func `only so many linger, and the oldest is let go`() {
        let keys = LaneKeys()
        for number in 0..<LaneKeys.maximumLingering + 3 { keys.linger(keys.hold(["\(number)"])) }
        #expect(!keys.containsAny(of: ["0", "1", "2"]) && keys.containsAny(of: ["3"]))
        keys.settle(before: keys.mark)
        #expect(keys.isEmpty)
    }
}
