import CacheKit

/// What this node expects of each bucket, and which buckets turned out to have lost something.
///
/// A mark is the sequence of a change, 48 bits, and a counter, 16 bits. The counter moves while a bucket is being sent again
/// what it has lost: then every push leaves a mark of its own, so that a second loss shows, whatever state the
/// remote comes back to.
struct MarkLedger: Sendable {
    /// What a mark that was found says.
    enum Finding: Equatable {
        case asExpected
        /// What was sent has to be sent again.
        case lost
        /// Higher than anything this node has sent: another one uses its id.
        case higher
    }

    struct Loss: Sendable, Equatable {
        /// The changes up to here are still there.
        var start: UInt64
        /// The mark that the bucket has now.
        var floor: UInt64
    }

    let bucketCount: Int
    /// The mark of the highest acknowledged change of each bucket.
    private(set) var expected: [Int: UInt64] = [:]
    /// Buckets that lost something.
    private(set) var lost: [Int: Loss] = [:]
    /// Whether what was sent is not known of any bucket: until everything has been sent again, no mark is kept.
    private(set) var isUnknown = false

    init(bucketCount: Int) {
        self.bucketCount = bucketCount
    }

    static func mark(of sequence: UInt64) -> UInt64 { sequence << 16 }

    /// Takes in what is durable, perhaps by another process, but of buckets about which something newer is still to be kept.
    mutating func learn(_ marks: RemoteMarks?, except dirty: Set<Int> = []) {
        guard let marks, marks.bucketCount == bucketCount else { return }
        expected.merge(marks.sequences.filter { !dirty.contains($0.key) }) { max($0, $1) }
    }

    /// What a push expects and leaves behind; the next one to its bucket goes on from there.
    mutating func take(_ bucket: Int, through sequence: UInt64) -> (expected: UInt64, mark: UInt64) {
        if let loss = lost[bucket] {
            lost[bucket]?.floor = loss.floor + 1
            return (loss.floor, loss.floor + 1)
        }
        let before = expected[bucket] ?? 0
        let mark = max(before, Self.mark(of: sequence))
        expected[bucket] = mark
        return (before, mark)
    }

    /// Weighs the mark that a bucket had.
    ///
    /// - Parameter sentThrough: the highest change that may have been sent.
    mutating func weigh(_ found: UInt64?, bucket: Int, sentThrough: ChangeSequence) -> Finding {
        let found = found ?? 0
        guard found >> 16 <= sentThrough.number else { return .higher }
        if let loss = lost[bucket] {
            if found == loss.floor { return .asExpected }
            // Another state than the one that was being sent to: a later one than its floor may lack anything.
            let start = found < loss.floor ? min(loss.start, found >> 16) : 0
            lost[bucket] = Loss(start: start, floor: found)
            return .lost
        }
        guard found < expected[bucket] ?? 0 else { return .asExpected }
        lost[bucket] = Loss(start: found >> 16, floor: found)
        return .lost
    }

    /// A push was weighed: its changes are there now, and its mark, unless the bucket turned out to have lost something.
    mutating func acknowledged(_ sequence: UInt64, bucket: Int, mark: UInt64, moved: Bool) {
        expected[bucket] = max(expected[bucket] ?? 0, Self.mark(of: sequence))
        if moved, lost[bucket] != nil { lost[bucket]?.floor = mark }
    }

    /// Everything above a change is read and sent again: of buckets that lost something, no more than that is expected to be there.
    mutating func expectLostOnly(through watermark: ChangeSequence) {
        for bucket in lost.keys {
            expected[bucket] = min(expected[bucket] ?? 0, Self.mark(of: watermark.number))
        }
    }

    /// Nothing is known of what any bucket has: this file holds changes that another node id has sent.
    mutating func loseAll() {
        isUnknown = true
        for bucket in 0..<bucketCount { lost[bucket] = Loss(start: 0, floor: 0) }
    }

    /// A bucket has again what it had lost, and this mark.
    mutating func recovered(_ bucket: Int, mark: UInt64) {
        lost[bucket] = nil
        expected[bucket] = mark
        if lost.isEmpty { isUnknown = false }
    }

    /// What was lost is not missed: the bucket is taken as it was found.
    mutating func forget(_ bucket: Int) {
        expected[bucket] = lost[bucket]?.floor ?? 0
        lost[bucket] = nil
    }
}
