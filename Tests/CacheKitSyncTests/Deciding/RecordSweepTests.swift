import Testing

@testable import CacheKitSync

struct RecordSweepTests {
    @Test func `a step is due at first and then after each interval`() {
        var sweep = RecordSweep(bucketCount: 3, interval: .seconds(10))
        let due = [0, 1, 9, 10, 11, 19, 20].filter { sweep.isDue(uptime: .seconds($0)) }
        #expect(due == [0, 10, 20])
    }

    @Test(arguments: [16, 256, 16_384])
    func `all buckets have their turn in a day`(bucketCount: Int) {
        var sweep = RecordSweep(bucketCount: bucketCount, interval: .seconds(10))
        var steps = 0
        for second in 0..<86_400 where sweep.isDue(uptime: .milliseconds(second * 1000 + 999)) { steps += 1 }
        #expect(steps >= bucketCount)
        #expect(steps <= 86_400 / 5)
    }

    @Test func `a bucket is gone through before the next, and the first follows the last`() {
        var sweep = RecordSweep(bucketCount: 3, interval: .seconds(10))
        var places: [String] = []
        for next: UInt64 in [5, 9, 0, 0, 7, 0, 0] {
            places.append("\(sweep.bucket):\(sweep.cursor)")
            sweep.stepped(next: next)
        }
        #expect(places == ["0:0", "0:5", "0:9", "1:0", "2:0", "2:7", "0:0"])
    }
}
