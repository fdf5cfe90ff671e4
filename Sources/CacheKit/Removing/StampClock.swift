import CacheKitCore
import Synchronization

/// Stamps values and removals of one cache, so that it can be told which came first: a ``HybridLogicalClock`` without a lock.
///
/// It moves above every stamp it meets, unless that lies further ahead than clocks may differ.
final class StampClock: Sendable {
    /// The last stamp given out or seen.
    private let last = Atomic<UInt64>(0)
    /// The last one of a removal, and when it was made.
    private let lastRemoval = Mutex<(stamp: UInt64, madeAt: Timestamp)>((0, .zero))

    /// Of a value: above every stamp given out or seen.
    func next(at now: Timestamp) -> UInt64 {
        take { last in
            var clock = HybridLogicalClock(last: last)
            return clock.next(at: now)
        }
    }

    /// Of a removal: the last one of its millisecond, because others that stamped values in that millisecond have counted by
    /// themselves.
    ///
    /// So thousands a second run ahead of time. Before others would no longer follow, those of one millisecond between which nothing
    /// else was stamped or seen share one.
    func nextRemoval(at now: Timestamp) -> UInt64 {
        lastRemoval.withLock { removal in
            let isFarAhead = Self.time(of: removal.stamp) >= now.advanced(by: HybridLogicalClock.toleratedSkew / 2)
            if isFarAhead, removal.madeAt == now, last.load(ordering: .relaxed) == removal.stamp {
                return removal.stamp
            }
            let stamp = take { last in
                var clock = HybridLogicalClock(last: last)
                return clock.next(at: now) | 0xFFFF
            }
            removal = (stamp, now)
            return stamp
        }
    }

    private func take(_ following: (UInt64) -> UInt64) -> UInt64 {
        var current = last.load(ordering: .relaxed)
        while true {
            let next = following(current)
            let (exchanged, original) = last.weakCompareExchange(
                expected: current, desired: next, ordering: .acquiringAndReleasing)
            if exchanged { return next }
            current = original
        }
    }

    /// Moves above a stamp seen elsewhere, if a right clock can have made it.
    func observe(_ stamp: UInt64, at now: Timestamp) {
        guard stamp > last.load(ordering: .relaxed), !Self.isBeyondSkew(stamp, at: now) else { return }
        last.max(stamp, ordering: .acquiringAndReleasing)
    }

    /// The wall time that a stamp carries.
    static func time(of stamp: UInt64) -> Timestamp { Timestamp(milliseconds: Int64(stamp >> 16)) }

    /// Whether a stamp lies further ahead than clocks may differ.
    static func isBeyondSkew(_ stamp: UInt64, at now: Timestamp) -> Bool {
        let bound = now.advanced(by: HybridLogicalClock.toleratedSkew)
        return time(of: stamp) > bound
    }
}
