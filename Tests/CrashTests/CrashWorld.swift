import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Logging
import Testing

/// The file that is left behind, and what is asked of it after each kill.
struct CrashWorld {
    private struct Opened: LocalStoreProvider {
        let store: any LocalStore
        func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { store }
    }

    private let folder: String
    var path: String { folder + "/cache.db" }

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/cachekit-crash-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Whether there is a log that is not empty: that of a process that did not close the file.
    var hasLog: Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path + "-wal")
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0 > 0
    }

    private func open(_ ring: RotatingRing) async throws -> SQLiteStore {
        let context = LocalStoreContext(
            keyring: try ring.keyring, tenant: "default", hasRemote: true, clock: SystemClock(),
            logger: Logger(label: "crash"))
        return try await SQLiteStore.open(SQLiteConfiguration(path: path), context)
    }

    /// After one kill or several: structure and rows are whole, every value opens under the ring, the feed has neither gap nor repeat, and
    /// the ledger holds.
    func check(_ ledger: inout CrashLedger, _ ring: RotatingRing, round: Int) async throws {
        let store = try await open(ring)
        #expect(try await store.verify().isClean, "round \(round)")
        let cipher = try TenantCipher(keyring: ring.keyring, tenant: "default")
        var rows: [String: (entry: StoredEntry, generation: UInt64?)] = [:]
        let names = CrashLedger.writerKeys + CrashLedger.remoteKeys
        for (name, entry) in zip(names, try await store.read(names.map { try CacheKey($0) })) {
            guard let entry else { continue }
            let document = try entry.value.map { try Self.open($0, entry, CacheKey(name), cipher) }
            let generation = try document.map {
                let digits = String(decoding: $0.prefix(20).prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
                return try #require(UInt64(digits), "round \(round): \(name)")
            }
            rows[name] = (entry, generation)
        }
        try await checkFeed(store, rows, round: round)
        try ledger.check(rows, watermark: await store.watermark().number, round: round)
        await store.close()
    }

    private static func open(
        _ value: [UInt8], _ entry: StoredEntry, _ key: CacheKey, _ cipher: TenantCipher
    ) throws -> [UInt8] {
        guard case .sealed(let used) = entry.form else { return value }
        return try cipher.open(value, key: key, compressed: true, fingerprint: used)
    }

    /// No repeat: sequences, and the versions of what was written here, only grow, and no key stands twice. No gap: every row
    /// that a read finds is in the feed under the same sequence, and nothing else is. So whatever is not in it was overwritten
    /// or deleted by a change that is, or has no row, which the ledger allows only to what was settled. And what waits is the
    /// feed above the watermark.
    private func checkFeed(
        _ store: SQLiteStore, _ rows: [String: (entry: StoredEntry, generation: UInt64?)], round: Int
    ) async throws {
        let feed = try await store.changes(after: .zero, origin: nil, limit: .max, byteLimit: .max)
        let entries = feed.map(\.entry)
        #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.sequence < $1.sequence }, "round \(round)")
        // What was read from the remote has its version from there.
        let own = entries.filter { $0.origin == .local }
        #expect(zip(own, own.dropFirst()).allSatisfy { $0.version < $1.version }, "round \(round)")
        #expect(Set(feed.map(\.key)).count == feed.count, "round \(round): a key stands in the feed twice")
        let fed = Dictionary(feed.map { ($0.key.string, $0.entry.sequence) }, uniquingKeysWith: { first, _ in first })
        #expect(fed == rows.mapValues(\.entry.sequence), "round \(round): the feed has a gap")
        let watermark = try await store.watermark()
        let pending = try await store.changes(after: watermark, origin: .local, limit: .max, byteLimit: .max)
        #expect(
            pending.map(\.entry.sequence)
                == entries.filter { $0.sequence > watermark && $0.origin == .local }.map(\.sequence), "round \(round)")
        #expect(try await store.lastSequence() >= entries.last?.sequence ?? .zero)
    }

    /// Takes a rotation to its end in the file that a kill left: settles, seals anew, retires; then the new key alone opens
    /// every value.
    func finishRotation(_ ring: inout RotatingRing, round: Int) async throws {
        guard ring.hasPrevious else { return }
        let keyring = try ring.keyring
        let store = try await open(ring)
        try await store.settle(Settlement(through: store.lastSequence()))
        let cache = try await Cache(local: Opened(store: store), encryption: .secure(key: .keyring(keyring)))
        let report = try await cache.reseal()
        #expect(report.unopened + report.unreadable + report.waiting == 0, "round \(round): \(report)")
        let previous = try TenantCipher(keyring: keyring, tenant: "default").fingerprints.dropFirst()
        let retired = Set(try await store.keyUse().filter { $0.standing == .retired }.map(\.fingerprint))
        try await store.retire(previous.filter { !retired.contains($0) })
        #expect(try await store.keyUse().filter { $0.total > 0 }.count <= 1, "round \(round)")
        await cache.shutdown()
        ring.forgetPrevious()
        let alone = try await open(ring)
        #expect(try await alone.verify().isClean, "round \(round)")
        await alone.close()
    }
}
