import CacheKit

/// Sends again what buckets have lost: everything of theirs in the feed above where they still have it, up to the watermark.
///
/// Only at the end do the buckets get their marks back, and only those that lost nothing more meanwhile. A bucket that had
/// no mark is given the lowest one first, or a second loss would look like none.
struct Rewind: Sendable {
    enum Step: Sendable {
        /// Push these, answered by ``Rewind/planted()``.
        case plant([BucketPush])
        /// Read this part of the feed, answered by ``SyncStateMachine/rewound(_:now:bucket:)``.
        case load(after: ChangeSequence, through: ChangeSequence)
        /// Push these, answered by ``SyncStateMachine/restored(_:)``.
        case restore([BucketPush])
    }

    enum Stage { case planting, sending, restoring }

    /// The buckets, and the mark that each has while it is sent to.
    private(set) var floors: [Int: UInt64]
    /// Up to where each had everything when this began.
    private let starts: [Int: UInt64]
    let through: ChangeSequence
    private(set) var cursor: ChangeSequence
    private(set) var stage = Stage.planting

    init(_ lost: [Int: UInt64], through: ChangeSequence) {
        starts = lost
        floors = lost.mapValues { max($0, MarkLedger.planted) }
        self.through = through
        cursor = ChangeSequence(lost.values.min() ?? 0)
    }

    /// The marks to plant: where there is none.
    func plants(node: UInt64, now: Timestamp) -> [BucketPush] {
        starts.filter { $0.value == 0 }.keys.sorted().map {
            BucketPush(bucket: $0, writes: [], node: node, expectedMark: 0, mark: MarkLedger.planted, now: now)
        }
    }

    /// The marks at the end.
    func restores(node: UInt64, now: Timestamp, mark: (Int) -> UInt64) -> [BucketPush] {
        floors.sorted { $0.key < $1.key }.map { bucket, floor in
            BucketPush(bucket: bucket, writes: [], node: node, expectedMark: floor, mark: mark(bucket), now: now)
        }
    }

    /// What was lost of a part of the feed, and is still worth sending.
    func missing(
        of changes: [Change], now: Timestamp, bucket: (CacheKey) -> Int, policy: (CacheKey) -> SyncPolicy
    ) -> [Change] {
        changes.filter { change in
            guard let start = starts[bucket(change.key)], change.entry.sequence.number > start else { return false }
            let policy = policy(change.key)
            return policy.lost == .repopulate && !policy.isSingleWriter && change.entry.expiresAt > now
        }
    }

    mutating func planted() { stage = .sending }

    /// A part of the feed was read, up to there; `nil` for its end.
    mutating func read(through last: ChangeSequence?) {
        if let last { cursor = last } else { stage = .restoring }
    }
}
