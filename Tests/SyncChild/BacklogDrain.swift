import CacheKit
import Foundation

/// Pushes what is pending, and watches how much memory that takes.
struct BacklogDrain {
    let cache: Cache
    let count: Int

    func run() async throws {
        let before = try await cache.syncStatus()?.backlog.changes ?? 0
        let start = Self.residentBytes()
        let watcher = Task {
            var highest = start
            while !Task.isCancelled {
                highest = max(highest, Self.residentBytes())
                try? await Task.sleep(for: .milliseconds(5))
            }
            return highest
        }
        let clock = ContinuousClock()
        var status: SyncStatus?
        let time = await clock.measure { status = await cache.push(deadline: .seconds(600)) }
        watcher.cancel()
        let highest = await watcher.value
        say("pending \(before) left \(status?.backlog.changes ?? -1) applied \(status?.outcomes.applied ?? -1)")
        say("grown \(highest - start) from \(start) milliseconds \(Int(time / .milliseconds(1)))")
        await cache.shutdown()
    }

    /// The second field of this file is resident pages (proc(5)).
    private static func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
