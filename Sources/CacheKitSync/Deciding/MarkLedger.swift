import CacheKit

/// What this node expects of each bucket, and which buckets turned out to have lost something.
struct MarkLedger: Sendable {
    /// What a mark that was found says.
    enum Finding: Equatable {
        case asExpected
        /// Lower than expected, or missing: what was sent above `from` has to be sent again.
        case lost(from: UInt64)
        /// Higher than anything this node has sent: another one uses its id.
        case higher
    }

    /// What a bucket without a mark is given while what it lost is sent again.
    static let planted: UInt64 = 1

    let bucketCount: Int
    /// The highest acknowledged change of each bucket.
    private(set) var expected: [Int: UInt64]
    /// Buckets that lost something, and up to where they still have everything.
    private(set) var lost: [Int: UInt64] = [:]

    init(bucketCount: Int, _ marks: RemoteMarks?) {
        self.bucketCount = bucketCount
        expected = marks?.bucketCount == bucketCount ? marks?.sequences ?? [:] : [:]
    }

    /// Takes in what is durable, perhaps by another process, but of buckets about which something newer is still to be kept.
    mutating func learn(_ marks: RemoteMarks?, except dirty: Set<Int> = []) {
        guard let marks, marks.bucketCount == bucketCount else { return }
        expected.merge(marks.sequences.filter { !dirty.contains($0.key) }) { max($0, $1) }
    }

    /// What a push says that it expects.
    func expectedMark(of bucket: Int) -> UInt64 { expected[bucket] ?? 0 }

    /// Weighs the mark that a bucket had.
    ///
    /// - Parameter sentThrough: the highest change that may have been sent.
    mutating func weigh(_ found: UInt64?, bucket: Int, sentThrough: ChangeSequence) -> Finding {
        let found = found ?? 0
        guard found <= sentThrough.number else { return .higher }
        guard found < expectedMark(of: bucket) else { return .asExpected }
        // The lowest mark may have been planted while a bucket that had none was sent to: it says nothing.
        let from = found > Self.planted ? found : 0
        lost[bucket] = min(lost[bucket] ?? from, from)
        return .lost(from: from)
    }

    /// A push was acknowledged. In a bucket that lost something the mark did not move.
    mutating func acknowledged(_ mark: UInt64, bucket: Int) {
        guard lost[bucket] == nil else { return }
        expected[bucket] = max(expectedMark(of: bucket), mark)
    }

    /// A bucket has again what it had lost, or is not to get it.
    mutating func recovered(_ bucket: Int) { lost[bucket] = nil }

    /// What was lost is not missed any more: the bucket is taken as it was found.
    mutating func forget(_ bucket: Int) {
        expected[bucket] = lost[bucket] ?? 0
        lost[bucket] = nil
    }
}
