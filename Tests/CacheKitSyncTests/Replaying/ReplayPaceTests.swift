import Testing

@testable import CacheKitSync

struct ReplayPaceTests {
    @Test func `without a rate nothing waits, and batches are as large as they may be`() {
        var pace = ReplayPace(rate: nil, most: 4_000)
        #expect(pace.batchCount == 4_000)
        for _ in 0..<100 { #expect(pace.take(4_000, at: .zero) == .zero) }
    }

    @Test(arguments: [(1, 1), (3, 1), (100, 25), (8_000, 2_000), (1_000_000, 4_000)])
    func `a batch is a quarter of a second's worth, within its bound`(_ rate: Int, _ count: Int) {
        #expect(ReplayPace(rate: rate, most: 4_000).batchCount == count)
    }

    @Test(arguments: [1, 7, 100, 40_000])
    func `over time exactly the rate is sent, whatever sending itself takes`(_ rate: Int) {
        var pace = ReplayPace(rate: rate, most: 4_000)
        var uptime = Duration.seconds(1_000)
        let begin = uptime
        var sent = 0
        while uptime - begin < .seconds(100) {
            uptime += pace.take(pace.batchCount, at: uptime)
            sent += pace.batchCount
            // Sending takes a tenth of what a batch may.
            uptime += .seconds(Double(pace.batchCount) / Double(rate) / 10)
        }
        let seconds = (uptime - begin) / .seconds(1)
        #expect(abs(Double(sent) - seconds * Double(rate)) <= 2.2 * Double(pace.batchCount))
    }

    @Test func `what was not sent for a while is not made up for`() {
        var pace = ReplayPace(rate: 100, most: 4_000)
        #expect(pace.take(25, at: .zero) == .zero)
        #expect(pace.take(25, at: .seconds(3_600)) == .zero)
        #expect(pace.take(25, at: .seconds(3_600)) == .milliseconds(250))
    }
}
