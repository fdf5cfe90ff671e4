import CacheKitCore
import Testing

@testable import CacheKit

struct RemovalMarkerTests {
    private static let tag = TagHash(high: 0x0102_0304_0506_0708, low: 0xFF)

    @Test(arguments: [RemovalMarker.Part.all, .anyTag, .tag(tag)], ["users", "a:b", "caf\u{E9}", "\u{301}"])
    func `a marker's key names it, and stands where the namespace's keys do`(
        _ part: RemovalMarker.Part, _ namespace: String
    ) throws {
        let marker = RemovalMarker(namespace, part)
        #expect(RemovalMarker(marker.key) == marker)
        #expect(marker.key.isMarker)
        #expect(marker.key.string.utf8.starts(with: "\(namespace):".utf8))
        // As stores give it back; nobody else can name it.
        #expect(try CacheKey(held: marker.key.string) == marker.key)
        #expect(throws: CacheError.self) { try CacheKey(marker.key.string) }
    }

    @Test func `the longest namespace leaves room for a marker's key`() {
        let name = String(repeating: "n", count: 512)
        #expect(RemovalMarker(name, .tag(Self.tag)).key.string.utf8.count <= CacheKey.maximumByteCount)
    }

    @Test func `a tag is never in clear`() throws {
        let key = RemovalMarker("users", .tag(try TagHash("team:7"))).key.string
        #expect(!key.contains("team"))
        #expect(key.utf8.count == "users:".utf8.count + 33)
    }

    @Test(arguments: ["\0a", "a\0", "a:\0b\0", "a\0:b"])
    func `a NUL elsewhere is not held either`(_ name: String) {
        #expect(throws: CacheError.self) { try CacheKey(held: name) }
    }

    @Test(arguments: ["a:\0", "a:\0x", "a:\0aa", "a:\0" + String(repeating: "G", count: 32), "a:b"])
    func `what says something else is no marker`(_ name: String) throws {
        #expect(RemovalMarker(try CacheKey(held: name)) == nil)
    }
}

struct StampClockTests {
    @Test func `removals in a row never run so far ahead of time that others would not follow`() {
        let clock = StampClock()
        for _ in 0..<100_000 { _ = clock.nextRemoval(at: Self.now) }
        let ahead = Self.now.advanced(by: .seconds(30))
        #expect(StampClock.time(of: clock.nextRemoval(at: Self.now)) == ahead)
        // What is set in between is removed by the next one.
        let value = clock.next(at: Self.now)
        #expect(!StampClock.isBeyondSkew(value, at: Self.now))
        #expect(clock.nextRemoval(at: Self.now) > value)
    }

    @Test func `a removal is above what others set after a removal that both have heard of`() {
        let elsewhere = UInt64(Self.now.advanced(by: .seconds(45)).milliseconds) << 16 | 0xFFFF
        let (one, other) = (StampClock(), StampClock())
        for clock in [one, other] { clock.observe(elsewhere, at: Self.now) }
        let value = other.next(at: Self.now)
        #expect(one.nextRemoval(at: Self.now.advanced(by: .seconds(5))) > value)
    }

    private static let now = Timestamp(milliseconds: 1_767_225_600_000)

    @Test func `a value before a removal is older, and one after it newer, while time stands still`() {
        let clock = StampClock()
        let before = clock.next(at: Self.now)
        let removal = clock.nextRemoval(at: Self.now)
        let after = clock.next(at: Self.now)
        #expect(before < removal)
        #expect(removal < after)
        #expect(clock.nextRemoval(at: Self.now) > after)
    }

    @Test func `what others stamped in the millisecond of a removal is older`() {
        let other = StampClock()
        let theirs = (0..<100).map { _ in other.next(at: Self.now) }
        #expect(StampClock().nextRemoval(at: Self.now) > theirs.max() ?? 0)
    }

    @Test func `a stamp is followed as far as clocks may differ`() {
        let ahead = StampClock().next(at: Self.now.advanced(by: .seconds(59)))
        let beyond = StampClock().next(at: Self.now.advanced(by: .seconds(61)))
        let clock = StampClock()
        clock.observe(ahead, at: Self.now)
        #expect(clock.next(at: Self.now) > ahead)
        clock.observe(beyond, at: Self.now)
        #expect(clock.next(at: Self.now) < beyond)
    }

    @Test func `a clock that goes backward repeats no stamp`() {
        let clock = StampClock()
        let first = clock.next(at: Self.now)
        #expect(clock.next(at: Self.now.advanced(by: .seconds(-100))) > first)
    }
}
