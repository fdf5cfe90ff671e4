import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation

/// One of several processes on one file whose tasks ask for the same missing keys at the same moments, key after key.
///
/// Each load appends a line to a ledger, `<key> <process>`, which is what the parent counts. With one that hangs, the process
/// loads the first key and never ends.
struct LoadWorkload: Sendable {
    let path: String
    let ledger: String
    let keyring: Keyring
    let index: Int
    let tasks: Int
    let keys: Int
    let hangs: Bool

    /// On the monotonic clock, in nanoseconds; each key a little later than the one before.
    let start: UInt64
    private static let step: UInt64 = 40_000_000

    func run() async throws {
        let cache = try await Cache(local: .sqlite(path: path), encryption: .secure(key: .keyring(keyring)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    for number in 0..<keys {
                        let moment = start + UInt64(number) * Self.step
                        let now = SharedFileWorkload.now()
                        if moment > now { try await Task.sleep(for: .nanoseconds(Int64(moment - now))) }
                        let value = try await Self.load("k\(number)", cache) {
                            try note("k\(number) \(index)")
                            if hangs { try await Task.sleep(for: .seconds(3600)) }
                            try await Task.sleep(for: .milliseconds(task % 20))
                            return index
                        }
                        report("got k\(number) \(value)")
                    }
                }
            }
            try await group.waitForAll()
        }
        await cache.shutdown()
    }

    static func load(
        _ name: String, _ cache: Cache, _ body: @escaping @Sendable () async throws -> Int
    ) async throws -> Int {
        var policy = LoadingPolicy()
        policy.isOnePerFile = true
        policy.loadElsewhereTimeout = .seconds(60)
        return try await cache.namespace("n", of: Int.self, loading: policy).getOrSet(name, load: body)
    }

    /// One write for each line, so that lines of several processes do not mix.
    private func note(_ line: String) throws {
        let descriptor = open(ledger, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw CacheError(.inputOutput, "the ledger can't be opened") }
        defer { close(descriptor) }
        let bytes = Array((line + "\n").utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CacheError(.inputOutput, "the ledger can't be written")
        }
    }
}
