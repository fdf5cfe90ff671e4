internal import Synchronization

/// Keys with writes that were given to a lane and are not over.
///
/// A write is over when it is answered. One whose connection has ended may still lie in the server's buffer, so its keys linger
/// until something is answered that was asked later. Bounded by what the lane takes, and by ``maximumLingering``.
final class LaneKeys: Sendable {
    /// Holds the keys of one batch for as long as it is referred to: by its caller and by the connection's queue. A caller
    /// who gives up leaves the batch in the queue, and its keys held.
    final class Hold: Sendable {
        private let keys: [String]
        // Weak, because the lane has holds that linger.
        private weak let lane: LaneKeys?

        fileprivate init(_ keys: [String], _ lane: LaneKeys) {
            self.keys = keys
            self.lane = lane
        }

        deinit {
            lane?.release(keys)
        }
    }

    /// So many batches linger at most; beyond, the oldest is let go.
    static let maximumLingering = 256

    private let counts = Mutex<[String: Int]>([:])
    // Apart from the counts: letting go of a hold changes those.
    private let lingering = Mutex<(holds: [Hold], firstNumber: UInt64)>(([], 0))

    /// Whether no key is held.
    var isEmpty: Bool { counts.withLock { $0.isEmpty } }

    func hold(_ keys: [String]) -> Hold {
        counts.withLock { counts in
            for key in keys { counts[key, default: 0] += 1 }
        }
        return Hold(keys, self)
    }

    func containsAny(of keys: [String]) -> Bool {
        counts.withLock { counts in keys.contains { counts[$0] != nil } }
    }

    /// Says what lingers now, for ``settle(before:)``.
    var mark: UInt64 { lingering.withLock { $0.firstNumber + UInt64($0.holds.count) } }

    /// Keeps the keys of a batch whose outcome is open.
    func linger(_ hold: Hold) {
        let oldest = lingering.withLock { lingering -> Hold? in
            lingering.holds.append(hold)
            guard lingering.holds.count > Self.maximumLingering else { return nil }
            lingering.firstNumber += 1
            return lingering.holds.removeFirst()
        }
        _ = oldest
    }

    /// Something was answered that was asked after the mark was taken.
    func settle(before mark: UInt64) {
        let settled = lingering.withLock { lingering -> [Hold] in
            guard mark > lingering.firstNumber else { return [] }
            let count = min(Int(mark - lingering.firstNumber), lingering.holds.count)
            defer {
                lingering.holds.removeFirst(count)
                lingering.firstNumber += UInt64(count)
            }
            return Array(lingering.holds.prefix(count))
        }
        _ = settled
    }

    private func release(_ keys: [String]) {
        counts.withLock { counts in
            for key in keys {
                guard let count = counts[key] else { continue }
                counts[key] = count > 1 ? count - 1 : nil
            }
        }
    }
}
