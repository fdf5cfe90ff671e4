import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// Real processes on one file that load the same keys.
@Suite(.serialized) struct LoadLockProcessTests {
    /// A folder of its own, removed at the end.
    private final class Scratch: Sendable {
        let folder = FileManager.default.temporaryDirectory.path + "/cachekit-loads-" + UUID().uuidString
        var file: String { folder + "/cache.db" }
        var ledger: String { folder + "/ledger" }
        /// Which process loaded which key, a line each.
        var loads: [String] {
            (try? String(contentsOfFile: ledger, encoding: .utf8))?.split(separator: "\n").map(String.init) ?? []
        }

        init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    private static let key = String(repeating: "5e", count: 32)

    private func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    @Test func `of all tasks of all processes one loads each key, and the others get its value`() async throws {
        let scratch = try Scratch()
        let (processes, tasks, keys) = (4, 8, TestEffort.count(short: 25, long: 500))
        let start = now() + 1_500_000_000
        let ends = try await withThrowingTaskGroup(of: (status: Int32, lines: [String]).self) { group in
            for index in 0..<processes {
                let child = try ChildProcess([
                    "load", scratch.file, Self.key, scratch.ledger, "\(index)", "\(tasks)", "\(keys)", "\(start)",
                ])
                group.addTask { try await child.ended() }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ends.map(\.status) == [Int32](repeating: 0, count: processes))
        let loads = scratch.loads
        #expect(loads.count == keys, "\(loads)")
        #expect(Set(loads.map { $0.split(separator: " ")[0] }).count == keys)
        // What each got is what was loaded.
        let got = ends.flatMap(\.lines).filter { $0.hasPrefix("got ") }.map { String($0.dropFirst(4)) }
        #expect(got.count == processes * tasks * keys)
        #expect(Set(got) == Set(loads))
        // Somebody waited for another process: else nothing was seen of it.
        #expect(Set(loads.map { $0.split(separator: " ")[1] }).count > 1)
    }

    private static func load(_ cache: Cache, wait: Duration) async throws -> Int {
        let key = try CacheKey("n:k0")
        var policy = LoadingPolicy()
        policy.isOnePerFile = true
        policy.loadElsewhereTimeout = wait
        return try await cache.withLoadLocks(for: key, policy) {
            try await cache.values(of: Int.self).get(key)
        } load: {
            7
        }
    }

    @Test func `a process that is killed while it loads frees the key at once`() async throws {
        let scratch = try Scratch()
        let child = try ChildProcess(["hang", scratch.file, Self.key, scratch.ledger, "0", "1", "1", "0"])
        let deadline = ContinuousClock.now + .seconds(30)
        while scratch.loads.isEmpty {
            try #require(ContinuousClock.now < deadline, "the child did not begin to load")
            try await Task.sleep(for: .milliseconds(2))
        }
        let cache = try await Cache(
            local: .sqlite(path: scratch.file), encryption: .secure(key: .key(MasterKey(hex: Self.key))))
        // While it lives it has the lock, and who does not wait loads beside it.
        #expect(try await Self.load(cache, wait: .zero) == 7)
        #expect(cache.statistics().loadLockTimeouts == 1)
        let began = ContinuousClock.now
        async let waiting = Self.load(cache, wait: .seconds(60))
        _ = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[String], any Error>) in
            Thread { continuation.resume(with: Result { try child.runAndKill(after: 300, fromStart: true) }) }.start()
        }
        #expect(child.wasKilled)
        #expect(try await waiting == 7)
        let waited = began.duration(to: .now)
        #expect(waited > .milliseconds(250) && waited < .seconds(10), "\(waited)")
        #expect(cache.statistics().loadLockTimeouts == 1)
        await cache.shutdown()
    }
}
