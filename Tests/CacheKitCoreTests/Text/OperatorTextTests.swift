import Testing

@testable import CacheKitCore

/// Durations and numbers of bytes as operators write them.
struct OperatorTextTests {
    @Test(arguments: [
        ("0", Duration.zero), ("90", .seconds(90)), ("500ms", .milliseconds(500)), ("30s", .seconds(30)),
        ("10m", .seconds(600)), ("2h", .seconds(7200)), ("7d", .seconds(604_800)),
    ])
    func `a duration is a number of seconds, or has a unit`(text: String, duration: Duration) {
        #expect(Duration(text: text) == duration)
        #expect(Duration(text: duration.text) == duration)
    }

    @Test(arguments: [
        "", "ms", "s", "-1", "+1", "1.5", " 1", "1 s", "10 minutes", "1w", "1S", "9223372036854775807d", "٣",
        "99999999999999999999",
    ])
    func `anything else is none`(text: String) {
        #expect(Duration(text: text) == nil)
        #expect(ByteCountText.bytes(text) == nil)
    }

    @Test func `a duration is shown in its longest whole unit`() {
        #expect(Duration.seconds(86_400).text == "1d")
        #expect(Duration.seconds(5400).text == "90m")
        #expect(Duration.milliseconds(1500).text == "1500ms")
        #expect(Duration.zero.text == "0s")
        #expect(Duration.microseconds(2500).text == "2ms")
    }

    @Test(arguments: [("0", 0), ("4096", 4096), ("1K", 1 << 10), ("64M", 64 << 20), ("3G", 3 << 30)])
    func `bytes are a number, or have a unit of 1,024`(text: String, count: Int) {
        #expect(ByteCountText.bytes(text) == count)
        #expect(ByteCountText.bytes(ByteCountText.text(count)) == count)
    }

    @Test(arguments: ["9223372036854775807G", "1k", "1MB", "M"])
    func `bytes that do not fit, or have another unit, are none`(text: String) {
        #expect(ByteCountText.bytes(text) == nil)
    }
}
