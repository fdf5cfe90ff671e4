import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Synchronization

/// One of several processes on one file: writes its own keys, reads the others' through its memory tier, and says what it saw.
///
/// Lines: `ack <key> <number> <time>` after each acknowledged write; `saw <key> <previous> <number> <time>` when a key shows a newer
/// number, with the time of the last question that was still answered with the previous one; `end <commits> <longest wait>
/// <longest stall> <hits> <misses>`. Times are nanoseconds of the machine's monotonic clock, which all processes share.
struct SharedFileWorkload: Sendable {
    static let keysPerProcess = 4

    let path: String
    let keyring: Keyring
    let index: Int
    let count: Int
    let end: UInt64

    static func now() -> UInt64 { clock_gettime_nsec() }

    private static func clock_gettime_nsec() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    func run() async throws {
        let cache = try await Cache(
            local: .sqlite(path: path), encryption: .secure(key: .keyring(keyring)))
        let stalls = StallMeter(until: end)
        try await cache.running(drain: .zero) {
            let (commits, longest) = try await withThrowingTaskGroup(of: (Int, UInt64).self) { group in
                group.addTask { try await write(cache) }
                group.addTask { try await load(cache) }
                for other in 0..<count where other != index {
                    group.addTask { try await watch(other, cache) }
                }
                return try await group.reduce((0, 0)) { ($0.0 + $1.0, max($0.1, $1.1)) }
            }
            let memory = cache.statistics().memory
            report("end \(commits) \(longest) \(stalls.longest) \(memory.hits) \(memory.misses)")
        }
    }

    private static func key(_ process: Int, _ number: Int) -> String { "\(process)-\(number)" }

    /// Numbers its keys upwards; each must show at once what was acknowledged.
    private func write(_ cache: Cache) async throws -> (Int, UInt64) {
        let values = cache.namespace("shared", of: Int.self)
        var longest: UInt64 = 0
        var commits = 0
        while Self.now() < end {
            commits += 1
            let key = Self.key(index, commits % Self.keysPerProcess)
            let start = Self.now()
            try await values.set(commits, for: key)
            let acknowledged = Self.now()
            report("ack \(key) \(commits) \(acknowledged)")
            longest = max(longest, acknowledged - start)
            guard try await values.get(key) == commits else {
                throw CacheError(.internalFault, "a process does not see its own acknowledged write")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return (commits, longest)
    }

    /// Keeps the file's write lock as busy as one writer can.
    private func load(_ cache: Cache) async throws -> (Int, UInt64) {
        let bytes = cache.namespace("load\(index)", of: [UInt8].self)
        var longest: UInt64 = 0
        var commits = 0
        while Self.now() < end {
            let start = Self.now()
            try await bytes.set([UInt8](repeating: UInt8(commits % 251), count: 1024), for: "\(commits % 100)")
            commits += 1
            longest = max(longest, Self.now() - start)
        }
        return (commits, longest)
    }

    private func watch(_ other: Int, _ cache: Cache) async throws -> (Int, UInt64) {
        let values = cache.namespace("shared", of: Int.self)
        var held = [Int](repeating: 0, count: Self.keysPerProcess)
        var asked = [UInt64](repeating: 0, count: Self.keysPerProcess)
        while Self.now() < end {
            for number in 0..<Self.keysPerProcess {
                let key = Self.key(other, number)
                let time = Self.now()
                let value = try await values.get(key) ?? 0
                guard value >= held[number] else {
                    throw CacheError(.internalFault, "a process saw a key go back")
                }
                if value > held[number] {
                    if held[number] > 0 { report("saw \(key) \(held[number]) \(value) \(asked[number])") }
                    held[number] = value
                }
                asked[number] = time
            }
            try await Task.sleep(for: .milliseconds(1))
        }
        return (0, 0)
    }
}

/// How late a thread of its own wakes up that asks for nothing but two milliseconds: what the machine, not the cache, adds to
/// every delay.
final class StallMeter: Sendable {
    private let state = Mutex<UInt64>(0)

    var longest: UInt64 { state.withLock { $0 } }

    init(until end: UInt64) {
        let thread = Thread { [self] in
            while SharedFileWorkload.now() < end {
                let start = SharedFileWorkload.now()
                usleep(2000)
                let late = SharedFileWorkload.now() - start - 2_000_000
                state.withLock { $0 = max($0, late) }
            }
        }
        thread.start()
    }
}
