/// Which bucket is swept next of records that ended, and when: a step now and then, so that all are swept in a day.
struct RecordSweep: Sendable {
    private let bucketCount: Int
    private let interval: Duration
    private var last: Duration?
    private(set) var bucket = 0
    private(set) var cursor: UInt64 = 0

    init(bucketCount: Int, interval: Duration) {
        self.bucketCount = bucketCount
        self.interval = interval
    }

    /// Whether it is time for a step; if so the time counts from now.
    mutating func isDue(uptime: Duration) -> Bool {
        if let last, uptime - last < interval { return false }
        last = uptime
        return true
    }

    /// A step was done; the next one begins there.
    mutating func stepped(next: UInt64) {
        cursor = next
        if next == 0 { bucket = (bucket + 1) % max(1, bucketCount) }
    }
}
