import CacheKit
import Testing

@testable import CacheKitSync

struct ClockLearningTests {
    private let year = Duration.seconds(365 * 86_400)

    @Test(arguments: [250, 251, -250, -251, 3_600_000, -3_600_000])
    func `a difference above the tolerance is what the clock lacks`(milliseconds: Int) {
        var learning = ClockLearning(interval: .seconds(10))
        let difference = Duration.milliseconds(milliseconds)
        let learned = learning.learn(
            Sample.now.advanced(by: difference), answeredAt: Sample.now, trip: .zero, uptime: .zero)
        #expect(learned == (abs(milliseconds) > 250 ? difference : .zero))
    }

    @Test func `half of the way there and back is allowed for, and a difference within it is not believed`() {
        var learning = ClockLearning(interval: .seconds(10))
        let trip = Duration.milliseconds(800)
        let near = learning.learn(
            Sample.now.advanced(by: .milliseconds(400)), answeredAt: Sample.now, trip: trip, uptime: .zero)
        #expect(near == .zero)
        let far = learning.learn(
            Sample.now.advanced(by: .milliseconds(600)), answeredAt: Sample.now, trip: trip, uptime: .zero)
        #expect(far == .milliseconds(1_000))
    }

    @Test func `the remote is asked first, then after each interval, and after a failure`() {
        var learning = ClockLearning(interval: .seconds(10))
        #expect(learning.isDue(wall: Sample.now, uptime: .zero))
        _ = learning.learn(Sample.now, answeredAt: Sample.now, trip: .zero, uptime: .zero)
        let later = Sample.now.advanced(by: .milliseconds(9_999))
        #expect(!learning.isDue(wall: later, uptime: .milliseconds(9_999)))
        #expect(learning.isDue(wall: Sample.now.advanced(by: .seconds(10)), uptime: .seconds(10)))
        learning.forget()
        #expect(learning.isDue(wall: Sample.now, uptime: .zero))
    }

    @Test(arguments: [1_001, 365 * 86_400_000, -1_001, -365 * 86_400_000])
    func `a clock that jumps is asked about at once`(milliseconds: Int) {
        var learning = ClockLearning(interval: .seconds(10))
        _ = learning.learn(Sample.now, answeredAt: Sample.now, trip: .zero, uptime: .zero)
        let wall = Sample.now.advanced(by: .milliseconds(1_000 + milliseconds))
        #expect(learning.isDue(wall: wall, uptime: .seconds(1)))
    }

    @Test func `what was learned is no jump`() {
        var learning = ClockLearning(interval: .seconds(10))
        let learned = learning.learn(
            Sample.now.advanced(by: year), answeredAt: Sample.now, trip: .zero, uptime: .zero)
        #expect(learned == year)
        #expect(!learning.isDue(wall: Sample.now.advanced(by: year), uptime: .zero))
    }
}
