import CacheKitTesting
import Testing

@testable import CacheKit

struct TimestampTests {
    @Test func `durations are rounded down to whole milliseconds, negative ones too`() {
        #expect(Duration.microseconds(1999).wholeMilliseconds == 1)
        #expect(Duration.microseconds(-1).wholeMilliseconds == -1)
        #expect(Duration.microseconds(-1000).wholeMilliseconds == -1)
        #expect(Duration.microseconds(-1001).wholeMilliseconds == -2)
        #expect(Duration.seconds(-3).wholeMilliseconds == -3000)
        #expect(Duration.nanoseconds(999_999).wholeMilliseconds == 0)
    }

    @Test func `durations beyond Int64 milliseconds saturate`() {
        #expect(Duration.seconds(Int64.max).wholeMilliseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeMilliseconds == .min)
        #expect((Duration.milliseconds(Int64.max) + .seconds(1)).wholeMilliseconds == .max)
        #expect((Duration.milliseconds(Int64.min) - .seconds(1)).wholeMilliseconds == .min)
    }

    @Test func `moving a time saturates`() {
        #expect(Timestamp(milliseconds: .max - 1).advanced(by: .seconds(1)).milliseconds == .max)
        #expect(Timestamp(milliseconds: .min + 1).advanced(by: .seconds(-1)).milliseconds == .min)
        #expect(Timestamp(milliseconds: 5).advanced(by: .seconds(Int64.max)).milliseconds == .max)
        #expect(Timestamp(milliseconds: 5).advanced(by: .milliseconds(-7)).milliseconds == -2)
    }

    @Test func `the distance of two times saturates instead of trapping`() {
        let (first, last) = (Timestamp(milliseconds: .min), Timestamp(milliseconds: .max))
        #expect(first.duration(to: last).wholeMilliseconds == .max)
        #expect(last.duration(to: first).wholeMilliseconds == .min)
        #expect(Timestamp(milliseconds: 5).duration(to: Timestamp(milliseconds: 3)) == .milliseconds(-2))
    }

    @Test func `the system clock is in this century`() {
        #expect(SystemClock().now() > Timestamp(milliseconds: 1_700_000_000_000))
        #expect(SystemClock().now() < Timestamp(milliseconds: 4_102_444_800_000))
    }
}
