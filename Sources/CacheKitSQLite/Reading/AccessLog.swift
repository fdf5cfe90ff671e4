internal import CacheKit
internal import Synchronization

/// Access times that wait in memory: reads never write.
final class AccessLog: Sendable {
    /// A row's time is noted once in this many milliseconds.
    static let resolution: Int64 = 60_000

    /// Whether a row's time is to be noted anew. The column is not sealed and may hold any number.
    static func isDue(last: Int64, now: Int64) -> Bool {
        let (elapsed, isOverflow) = now.subtractingReportingOverflow(last)
        return isOverflow ? last < now : elapsed >= resolution
    }

    private static let maximumCount = 8192

    private let times = Mutex<[Int64: Int64]>([:])

    /// Notes a read, unless the row's time is recent or too many wait.
    func note(_ id: Int64, last: Int64, now: Timestamp) {
        guard Self.isDue(last: last, now: now.milliseconds) else { return }
        times.withLock { times in
            if times.count < Self.maximumCount { times[id] = now.milliseconds }
        }
    }

    /// Takes up to `limit` of what waits.
    func take(_ limit: Int) -> [Int64: Int64] {
        times.withLock { times in
            var taken: [Int64: Int64] = [:]
            for (id, time) in times.prefix(limit) { taken[id] = time }
            for id in taken.keys { times[id] = nil }
            return taken
        }
    }

    var isEmpty: Bool { times.withLock { $0.isEmpty } }
}
