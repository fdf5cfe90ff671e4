/// Which bucket is swept next of records that ended, and when: a step now and then, so that all are swept in a day.
struct RecordSweep: Sendable {
    private let bucketCount: Int
    private let interval: Duration
    private var last: Duration?
    private(set) var bucket = 0
    private(set) var cursor: UInt64 = 0

    init(bucketCount: Int, interval: Duration) {
        self.bucketCount = bucketCount
        // A Cluster has so many that they would take two days.
        self.interval = min(interval, .seconds(86_400) / max(1, bucketCount))
    }

    /// Whether it is time for a step; if so the time counts from now.
    mutating func isDue(uptime: Duration) -> Bool {
        if let last, uptime - last < interval { return false }
        // By the plan, not by when it was asked about: what is asked now and then would fall behind.
        last = last.map { max($0 + interval, uptime - interval) } ?? uptime
        return true
    }

    /// A step was done; the next one begins there.
    mutating func stepped(next: UInt64) {
        cursor = next
        if next == 0 { bucket = (bucket + 1) % max(1, bucketCount) }
    }
}
