import CacheKitTesting
import Testing

@testable import CacheKit

struct VersionTests {
    @Test func `versions order as their bytes do`() {
        var random = SeededRandom(seed: 41)
        let edges: [UInt64] = [0, 1, 255, 256, .max, .max - 1, 1 << 63]
        for _ in 0..<2000 {
            func draw() -> UInt64 { random.next() % 2 == 0 ? edges[Int(random.next() % 7)] : random.next() }
            let left = Version(stamp: draw(), node: draw())
            let right = Version(stamp: draw(), node: draw())
            #expect((left < right) == left.bytes.lexicographicallyPrecedes(right.bytes))
        }
    }

    @Test func `a version survives its bytes`() throws {
        let version = Version(stamp: 0x0102_0304_0506_0708, node: 0xF1F2_F3F4_F5F6_F7F8)
        #expect(version.bytes == [1, 2, 3, 4, 5, 6, 7, 8, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8])
        #expect(try #require(Version(bytes: version.bytes)) == version)
        #expect(Version(bytes: version.bytes.dropFirst()) == nil)
        #expect(Version(bytes: version.bytes + [0]) == nil)
    }

    @Test func `a version tells the wall time of its stamp`() {
        var clock = HybridLogicalClock()
        let now = Timestamp(milliseconds: 1_767_225_600_123)
        #expect(Version(stamp: clock.next(at: now), node: 1).time == now)
    }

    @Test(arguments: [UInt64(51), 52])
    func `stamps always grow, whatever the wall clock does`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var clock = HybridLogicalClock()
        var last: UInt64 = 0
        var wall: Int64 = 1_767_225_600_000
        var repeats = 0
        for _ in 0..<100_000 {
            if random.next() % 100 == 0 { wall += Int64(random.next() % 2000) - 1000 }
            if random.next() % 50 == 0 { clock.observe(last &- 1000 &+ random.next() % 2000) }
            let stamp = clock.next(at: Timestamp(milliseconds: wall))
            if stamp <= last { repeats += 1 }
            last = stamp
        }
        #expect(repeats == 0, "seed \(seed)")
    }

    @Test func `stamps follow wall time when it has moved on`() {
        var clock = HybridLogicalClock(last: 0)
        let first = clock.next(at: Timestamp(milliseconds: 1000))
        #expect(first == 1000 << 16)
        #expect(clock.next(at: Timestamp(milliseconds: 1000)) == first + 1)
        #expect(clock.next(at: Timestamp(milliseconds: 1001)) == 1001 << 16)
        #expect(clock.next(at: Timestamp(milliseconds: 5)) == 1001 << 16 + 1)
    }

    @Test func `a counter that overflows moves into the next millisecond`() {
        var clock = HybridLogicalClock(last: 1000 << 16 | 0xFFFF)
        #expect(clock.next(at: Timestamp(milliseconds: 1000)) == 1001 << 16)
    }

    @Test func `a wall time before the epoch, or beyond 48 bits, is held at the bound`() {
        var clock = HybridLogicalClock()
        #expect(clock.next(at: Timestamp(milliseconds: -5)) == 1)
        #expect(clock.next(at: Timestamp(milliseconds: .max)) == UInt64((1 << 48) - 1) << 16)
    }
}
