import CacheKit
import CacheKitCore

/// Sends again what buckets have lost: everything of theirs in the feed above where they still have it, up to the watermark.
///
/// Only at the end do the buckets get their marks back, and only those that lost nothing more meanwhile. A bucket without a
/// mark is given the lowest one first, or losing it again would look like nothing.
struct Rewind: Sendable {
    enum Step: Sendable {
        /// Push these, answered by ``SyncStateMachine/planted(_:)``.
        case plant([BucketPush])
        /// Read this part of the feed, answered by ``SyncStateMachine/rewound(_:now:bucket:)``.
        case load(after: ChangeSequence, through: ChangeSequence)
        /// Push these, answered by ``SyncStateMachine/restored(_:)``.
        case restore([BucketPush])
    }

    enum Stage { case planting, sending, restoring }

    /// The buckets, and up to where each had everything when this began.
    private(set) var starts: [Int: UInt64]
    /// The marks that were planted or restored by the last step, in its order.
    var marks: [(bucket: Int, mark: UInt64)] = []
    let through: ChangeSequence
    private(set) var cursor: ChangeSequence
    private(set) var stage = Stage.planting

    init(_ lost: [Int: MarkLedger.Loss], through: ChangeSequence) {
        starts = lost.mapValues(\.start)
        self.through = through
        cursor = ChangeSequence(starts.values.min() ?? 0)
    }

    /// What was lost of a part of the feed. A value whose life is over is among it: what it replaced may be back.
    func missing(of changes: [Change], bucket: (CacheKey) -> Int, policy: (CacheKey) -> SyncPolicy) -> [Change] {
        changes.filter { change in
            guard let start = starts[bucket(change.key)], change.entry.sequence.number > start else { return false }
            let policy = policy(change.key)
            return policy.lost == .repopulate && !policy.isSingleWriter
        }
    }

    /// A bucket whose shard is away is left for another time.
    mutating func leave(_ bucket: Int) { starts[bucket] = nil }

    mutating func planted() { stage = .sending }

    /// A part of the feed was read, up to there; `nil` for its end.
    mutating func read(through last: ChangeSequence?) {
        if let last { cursor = last } else { stage = .restoring }
    }
}
