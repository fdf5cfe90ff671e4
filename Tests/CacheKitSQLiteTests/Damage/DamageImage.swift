import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging

/// What a store is found to hold for a key.
enum Held: Equatable {
    case absent
    case tombstone
    case value([UInt8])

    /// What the cache makes of an entry: a sealed value is opened, as every reader does.
    init(_ entry: StoredEntry?, _ key: CacheKey, _ cipher: TenantCipher) throws(CacheError) {
        switch (entry?.value, entry?.form) {
        case (nil, nil): self = .absent
        case (nil, .some): self = .tombstone
        case (let value?, .sealed(let fingerprint)):
            self = .value(try cipher.open(value, key: key, compressed: true, fingerprint: fingerprint))
        case (let value?, _): self = .value(value)
        }
    }
}

/// What a small file holds: each key, and the feed.
struct DamageState: Equatable {
    struct Element: Equatable {
        var sequence: UInt64
        var key: String
        var held: Held
    }

    var held: [String: Held] = [:]
    var feed: [Element] = []
    var deadLetters = 0
}

/// A small file with rows of every kind, kept in memory and written out damaged.
struct DamageImage: Sendable {
    /// Few bits, so that some keys collide and `overflow` is in use.
    static let hashBits = 3
    static let keys = (1...9).map { "users:\($0)" }

    let keyring: Keyring
    let cipher: TenantCipher
    let database: Data
    let log: Data
    /// What the file held after each of its last commits, the last one last.
    let states: [DamageState]

    var whole: DamageState { states[states.count - 1] }

    /// A folder in memory where there is one: thousands of files are written.
    static func folder() throws -> String {
        let root =
            FileManager.default.fileExists(atPath: "/dev/shm")
            ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        let folder = root + "/cachekit-damage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    static func configuration(_ path: String) -> SQLiteConfiguration {
        var configuration = SQLiteConfiguration(path: path)
        configuration.hashBits = hashBits
        configuration.pageSize = 512
        configuration.readerCount = 1
        configuration.busyTimeout = .zero
        return configuration
    }

    static func context(_ keyring: Keyring, hasRemote: Bool = true) -> LocalStoreContext {
        LocalStoreContext(
            keyring: keyring, tenant: "tenant-one", hasRemote: hasRemote, clock: ManualClock(),
            logger: Logger(label: "damage") { _ in SwiftLogNoOpLogHandler() })
    }

    func open(_ path: String, hasRemote: Bool = true) async throws -> SQLiteStore {
        try await SQLiteStore.open(Self.configuration(path), Self.context(keyring, hasRemote: hasRemote))
    }

    /// Writes the file with its log, if any, and nothing else beside it.
    func write(_ path: String, database: Data? = nil, log: Data? = nil) throws {
        for suffix in ["", "-wal", "-shm", "-lease", "-journal"] {
            try? FileManager.default.removeItem(atPath: path + suffix)
        }
        try (database ?? self.database).write(to: URL(filePath: path))
        let log = log ?? self.log
        if !log.isEmpty { try log.write(to: URL(filePath: path + "-wal")) }
    }

    /// Makes the file. With a log, the last commits are only in that.
    static func make(withLog: Bool, hasRemote: Bool = true) async throws -> DamageImage {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/cache.db"
        let keyring = try Keyring(current: MasterKey.generate())
        let image = DamageImage(
            keyring: keyring, cipher: try TenantCipher(keyring: keyring, tenant: "tenant-one"), database: Data(),
            log: Data(), states: [])
        var store = try await image.open(path, hasRemote: hasRemote)
        try await image.fill(store)
        await store.close()
        var states: [DamageState] = []
        if withLog {
            store = try await image.open(path, hasRemote: hasRemote)
            states.append(try await image.state(of: store))
            for number in 1...4 {
                try await store.commit([image.put("users:\(number)", count: 20 + number)])
                states.append(try await image.state(of: store))
            }
        } else {
            store = try await image.open(path, hasRemote: hasRemote)
            states.append(try await image.state(of: store))
            await store.close()
        }
        let database = try Data(contentsOf: URL(filePath: path))
        let log = withLog ? try Data(contentsOf: URL(filePath: path + "-wal")) : Data()
        await store.close()
        return DamageImage(keyring: keyring, cipher: image.cipher, database: database, log: log, states: states)
    }

    private func put(_ name: String, isSealed: Bool = false, count: Int) throws -> LocalChange {
        let key = try CacheKey(name)
        let value = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        return LocalChange(
            key: key, value: isSealed ? try cipher.seal(value, key: key, compressed: true) : value,
            form: isSealed ? .sealed(cipher.currentFingerprint) : .plain, mode: .native,
            expiresAt: ManualClock().now().advanced(by: .seconds(600)))
    }

    private func fill(_ store: SQLiteStore) async throws {
        try await store.commit((1...4).map { try put("users:\($0)", count: $0 * 5) })
        try await store.commit([put("users:5", count: 900), put("users:6", isSealed: true, count: 700)])
        try await store.commit([put("users:7", isSealed: true, count: 60)])
        var delete = try put("users:8", count: 0)
        delete.value = nil
        try await store.commit([delete])
        try await store.fill([RemoteFill(change: put("users:9", isSealed: true, count: 50), expected: nil)])
        let letter = DeadLetter(
            sequence: ChangeSequence(3), key: try CacheKey("users:3"), reason: CacheError(.remoteRejected, "no"))
        try await store.settle(Settlement(through: ChangeSequence(5), deadLetters: [letter]))
    }

    private func state(of store: SQLiteStore) async throws -> DamageState {
        var state = DamageState()
        for name in Self.keys {
            let key = try CacheKey(name)
            state.held[name] = try Held(await store.read([key])[0], key, cipher)
        }
        for change in try await store.changes(after: .zero, origin: nil, limit: 100, byteLimit: 1 << 20) {
            state.feed.append(
                DamageState.Element(
                    sequence: change.entry.sequence.number, key: change.key.string,
                    held: try Held(change.entry, change.key, cipher)))
        }
        state.deadLetters = try await store.statistics().deadLetters
        return state
    }
}
