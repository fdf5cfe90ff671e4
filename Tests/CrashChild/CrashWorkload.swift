import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Logging

/// One write(2) per line: a pipe takes up to 4 KiB whole, so a kill never leaves half a line.
@Sendable func report(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

/// Gives a cache the store that is open already.
private struct Opened: LocalStoreProvider {
    let store: any LocalStore
    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { store }
}

/// Everything that changes a file, all at once and without end; each line is printed after its acknowledgement.
struct CrashWorkload: Sendable {
    let store: SQLiteStore
    let keyring: Keyring
    let seed: UInt64
    /// Whether the ring's previous keys had their time.
    let retires: Bool

    /// `open <sequence>`, the last one before its own; then everything at once.
    func run() async throws {
        let cache = try await Cache(local: Opened(store: store), encryption: .secure(key: .keyring(keyring)))
        let cipher = try TenantCipher(keyring: keyring, tenant: "default")
        let last = try await store.lastSequence().number
        report("open \(last)")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<6 {
                group.addTask { try await write(writer, after: last, cipher) }
            }
            group.addTask { try await fill(cipher) }
            group.addTask { try await settle() }
            group.addTask { try await rotate(cache, cipher) }
            try await group.waitForAll()
        }
    }

    /// `put|delete <key> <generation> <sequence>`. Each writer has keys of its own, so that the order of its lines is the
    /// order of its changes, and a kill leaves at most one of them unsaid.
    private func write(_ writer: Int, after last: UInt64, _ cipher: TenantCipher) async throws {
        var generation = last
        var random = Numbers(seed &+ UInt64(writer) &* 0x9E37_79B9_7F4A_7C15)
        while true {
            generation += 1
            let key = try CacheKey("writer\(writer):\(random.below(40))")
            let isPut = random.below(5) != 0
            let change = try isPut ? put(key, generation, &random, cipher) : delete(key)
            let sequences = try await unless(.backPressure) { () async throws(CacheError) in
                try await store.commit([change])
            }
            if let sequence = sequences?[0].number {
                report("\(isPut ? "put" : "delete") \(key.string) \(generation) \(sequence)")
            } else {
                // Only what waits is left: the settler makes room.
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }

    private func put(
        _ key: CacheKey, _ generation: UInt64, _ random: inout Numbers, _ cipher: TenantCipher
    ) throws -> LocalChange {
        let text =
            Array("\(generation) ".utf8)
            + [UInt8](repeating: UInt8(random.below(256)), count: Int(random.below(9000)))
        let isPlain = random.below(4) == 0
        return LocalChange(
            key: key, value: isPlain ? text : try cipher.seal(text, key: key, compressed: true),
            form: isPlain ? .plain : .sealed(cipher.currentFingerprint), mode: .native, expiresAt: Self.end)
    }

    private func delete(_ key: CacheKey) -> LocalChange {
        LocalChange(key: key, value: nil, form: .plain, mode: .native, expiresAt: Self.end)
    }

    /// What a call gives; `nil` where it refuses as it may.
    private func unless<Output>(
        _ code: CacheError.Code, _ body: () async throws(CacheError) -> Output
    ) async throws(CacheError) -> Output? {
        do throws(CacheError) {
            return try await body()
        } catch {
            guard error.code == code else { throw error }
            return nil
        }
    }

    /// Nothing expires while the test runs: what is gone was evicted or lost.
    private static var end: Timestamp { SystemClock().now().advanced(by: .seconds(36_000)) }

    /// Values as from a remote; they may go at any time.
    private func fill(_ cipher: TenantCipher) async throws {
        var random = Numbers(seed ^ 0xF111)
        var generation: UInt64 = 0
        while true {
            generation += 1
            let key = try CacheKey("remote:\(random.below(60))")
            let held = try await store.read([key])[0]
            let fill = RemoteFill(change: try put(key, generation, &random, cipher), expected: held?.sequence)
            let stored = try await unless(.backPressure) { () async throws(CacheError) in try await store.fill([fill]) }
            if stored?[0] == true { report("filled \(key.string)") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// `settled <sequence>`: the watermark passed it.
    private func settle() async throws {
        while true {
            let watermark = try await store.watermark()
            let feed = try await store.changes(after: watermark, origin: .local, limit: 20, byteLimit: 1 << 20)
            if let through = feed.last?.entry.sequence {
                try await store.settle(Settlement(through: through))
                report("settled \(through.number)")
            }
            while try await store.maintain() {}
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// `resealed <rows>`, and at last `retired`.
    private func rotate(_ cache: Cache, _ cipher: TenantCipher) async throws {
        var isRetired = !retires || cipher.fingerprints.count == 1
        while true {
            let resealed = try await cache.reseal().resealed
            if resealed > 0 { report("resealed \(resealed)") }
            if !isRetired {
                let previous = Array(cipher.fingerprints.dropFirst())
                let outcome: Void? = try await unless(.keyInUse) { () async throws(CacheError) in
                    try await store.retire(previous)
                }
                isRetired = outcome != nil
                if isRetired { report("retired") }
            }
            try await Task.sleep(for: .milliseconds(3))
        }
    }
}

/// Numbers that a seed repeats (Knuth's MMIX generator).
struct Numbers {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func below(_ bound: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % bound
    }
}
