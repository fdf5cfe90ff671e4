import CacheKitCore
import Synchronization

/// Removals of one namespace whose stamps lie further ahead than clocks may differ: made by a wrong clock, or read by one.
final class ForeseenRemovals: Sendable {
    private let isAny = Atomic<Bool>(false)
    private let stamps = Mutex<[RemovalMarker.Part: (stamp: UInt64, countsAs: UInt64)]>([:])

    /// What a stamp counts as: one that lies too far ahead as if it had been made when it was heard of, at `now`.
    func weigh(_ stamp: UInt64, of part: RemovalMarker.Part, at now: Timestamp, _ clock: StampClock) -> UInt64 {
        guard StampClock.isBeyondSkew(stamp, at: now) else { return stamp }
        return stamps.withLock { stamps in
            if let known = stamps[part], known.stamp == stamp { return known.countsAs }
            if stamps.count >= RemovalScope.maximumTags { stamps = [:] }
            let countsAs = clock.nextRemoval(at: now)
            stamps[part] = (stamp, countsAs)
            isAny.store(true, ordering: .releasing)
            return countsAs
        }
    }

    /// Whether one of these parts was removed after a value that lies too far ahead, too, as all do for a device whose clock has lost
    /// years: which came first can still be told.
    func removes(
        _ attributes: ValueAttributes, _ parts: @autoclosure () -> [RemovalMarker.Part], _ now: () -> Timestamp
    ) -> Bool {
        guard isAny.load(ordering: .acquiring), StampClock.isBeyondSkew(attributes.stamp, at: now()) else {
            return false
        }
        return stamps.withLock { stamps in
            parts().contains { stamps[$0].map { attributes.stamp <= $0.stamp } ?? false }
        }
    }
}
