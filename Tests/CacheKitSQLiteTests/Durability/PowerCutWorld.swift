import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Testing

/// A machine whose power is cut again and again, with one file on its disk.
final class PowerCutWorld: Sendable {
    typealias Found = PowerCutLedger.Found

    /// Where in a life the power goes.
    enum Moment: CaseIterable { case opening, working, closing }

    let isFull: Bool
    let seed: UInt64
    let vfs: FaultVFS
    let ledger = PowerCutLedger()
    let clock = ManualClock()
    private let folder: String
    private let old: TenantCipher
    private let ring: Keyring
    private let cipher: TenantCipher

    var path: String { folder + "/cache.db" }

    init(isFull: Bool, seed: UInt64) throws {
        self.isFull = isFull
        self.seed = seed
        folder = try DamageImage.folder()
        vfs = try FaultVFS()
        let oldKey = try MasterKey.generate()
        old = try TenantCipher(keyring: Keyring(current: oldKey), tenant: "tenant-one")
        ring = try Keyring(current: MasterKey.generate(), previous: [oldKey])
        cipher = try TenantCipher(keyring: ring, tenant: "tenant-one")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func open(isFull: Bool) async throws(CacheError) -> SQLiteStore {
        var configuration = SQLiteConfiguration(path: path)
        configuration.vfs = vfs.name
        configuration.durability = isFull ? .full : .relaxed
        configuration.readerCount = 1
        // Small pages make a long log of few bytes.
        configuration.pageSize = seed % 2 == 0 ? 512 : 4096
        let context = LocalStoreContext(
            keyring: ring, tenant: "tenant-one", hasRemote: true, clock: clock,
            logger: Logger(label: "power") { _ in SwiftLogNoOpLogHandler() })
        return try await SQLiteStore.open(configuration, context)
    }

    /// One life: opens, works and closes, until the power goes. Gives how many changes each part made on the disk.
    func live(_ life: Int, cutting: (moment: Moment, ordinal: Int)?) async -> [Moment: Int] {
        var random = SeededRandom(seed: seed &+ UInt64(life) &* 1000)
        var parts: [Moment: Int] = [:]
        var before = vfs.changes
        func begin(_ moment: Moment) {
            before = vfs.changes
            if let cutting, cutting.moment == moment { vfs.cutPower(at: cutting.ordinal) }
        }
        func end(_ moment: Moment) { parts[moment] = vfs.changes - before }

        begin(.opening)
        do throws(CacheError) {
            let store = try await open(isFull: isFull)
            end(.opening)
            begin(.working)
            // A process that pushes may be another one, and sync where this one does not.
            let pusher = !isFull && seed % 4 < 2 ? try await open(isFull: true) : store
            await work(store, pusher, life, &random)
            end(.working)
            begin(.closing)
            await store.close()
            if pusher !== store { await pusher.close() }
            end(.closing)
        } catch {
            if !vfs.isCut { ledger.complain("opening failed with power: \(error.debugDescription)") }
        }
        return parts
    }

    private func work(
        _ store: SQLiteStore, _ pusher: SQLiteStore, _ life: Int, _ random: inout SeededRandom
    ) async {
        let seeds = (0..<6).map { _ in random.next() }
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<3 {
                group.addTask { await self.run { try await self.write(store, writer, life, seeds[writer]) } }
            }
            group.addTask { await self.run { try await self.fillAndReseal(store, life, seeds[3]) } }
            group.addTask { await self.run { try await self.push(pusher) } }
            group.addTask { await self.run { try await self.maintain(store, seeds[4]) } }
        }
    }

    private func run(_ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            if !vfs.isCut { ledger.complain("failed with power: \(String(reflecting: error))") }
        }
    }

    private func change(_ key: String, _ value: [UInt8]?, seconds: Int = 100_000) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: value, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(seconds)))
    }

    /// Puts and deletes, alone and several at once.
    private func write(_ store: SQLiteStore, _ writer: Int, _ life: Int, _ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for round in 0..<14 {
            let first = Int.random(in: 0..<6, using: &random)
            let count = Int.random(in: 0..<3, using: &random) == 0 ? 3 : 1
            var changes: [LocalChange] = []
            var effects: [(key: String, content: PowerCutLedger.Content)] = []
            for number in first..<first + count {
                let key = "writer\(writer):\(number % 6)"
                let text = "\(writer) \(life) \(round) \(number) "
                let length = Int.random(in: 0..<8, using: &random) == 0 ? 9000 : 300
                let value = Array(text.utf8) + [UInt8](repeating: UInt8(round), count: length)
                let isDelete = Int.random(in: 0..<6, using: &random) == 0
                changes.append(try change(key, isDelete ? nil : value))
                effects.append((key, isDelete ? .tombstone : .plain(value)))
            }
            let operation = ledger.begin(effects, draws: count)
            ledger.acknowledge(operation, try await store.commit(changes))
        }
    }

    /// Fills keys with values under the old key, and seals them anew under the new one.
    private func fillAndReseal(_ store: SQLiteStore, _ life: Int, _ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for round in 0..<8 {
            let name = "remote:\(Int.random(in: 0..<4, using: &random))"
            let key = try CacheKey(name)
            let held = try await store.read([key])[0]
            let text = "\(life) \(round)"
            var fill = try change(name, old.seal(Array(text.utf8), key: key, compressed: true))
            fill.form = .sealed(old.currentFingerprint)
            let operation = ledger.begin([(name, .sealed(text, old.currentFingerprint))], draws: 1)
            guard try await store.fill([RemoteFill(change: fill, expected: held?.sequence)]) == [true] else {
                ledger.complain("a fill was refused")
                continue
            }
            ledger.acknowledge(operation)
            guard round % 2 == 0, let filled = try await store.read([key])[0] else { continue }
            let resealed = ResealedValue(
                key: key, value: try cipher.seal(Array(text.utf8), key: key, compressed: true),
                fingerprint: cipher.currentFingerprint, expected: filled.sequence)
            let resealing = ledger.begin([(name, .sealed(text, cipher.currentFingerprint))])
            guard try await store.reseal([resealed]) == [true] else {
                ledger.complain("a value was not sealed anew")
                continue
            }
            ledger.acknowledge(resealing)
        }
    }

    /// Takes what waits and settles it, as the engine does.
    private func push(_ store: SQLiteStore) async throws {
        for _ in 0..<12 {
            let watermark = try await store.watermark()
            let changes = try await store.changes(after: watermark, origin: .local, limit: 4, byteLimit: 1 << 20)
            ledger.handOut(changes)
            guard let last = changes.last?.entry.sequence else {
                await Task.yield()
                continue
            }
            let operation = ledger.begin([("watermark", .watermark(last.number))])
            try await store.settle(Settlement(through: last))
            ledger.acknowledge(operation)
        }
    }

    /// Sweeps what expires at once, and moves the log as another process might.
    private func maintain(_ store: SQLiteStore, _ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for round in 0..<6 {
            let operation = ledger.begin([], draws: 2)
            let brief = try (0..<2).map { try change("brief:\($0)", [UInt8(round)], seconds: 1) }
            ledger.acknowledge(operation, try await store.commit(brief))
            clock.advance(by: .seconds(2))
            _ = try await store.maintain()
            guard Bool.random(using: &random) else { continue }
            let modes = SQLITE_CHECKPOINT_PASSIVE...SQLITE_CHECKPOINT_TRUNCATE
            PlainConnection.checkpoint(path, vfs: vfs.name, mode: Int32.random(in: modes, using: &random))
        }
    }

    // MARK: After the cut

    /// Opens the file again and compares it with the ledger; gives what is wrong.
    func judge() async -> [String] {
        do {
            let store = try await open(isFull: isFull)
            let violations = try await judge(store)
            await store.close()
            return violations
        } catch {
            return ["opening or reading failed: \(String(reflecting: error))"]
        }
    }

    private func judge(_ store: SQLiteStore) async throws -> [String] {
        var violations: [String] = []
        let last = try await store.lastSequence().number
        let report = try await store.verify()
        if !report.isClean { violations.append("verify says \(report)") }
        var found: [String: Found] = [:]
        let feed = try await store.changes(after: .zero, origin: nil, limit: .max, byteLimit: .max)
        for (change, next) in zip(feed, feed.dropFirst()) where change.entry.sequence >= next.entry.sequence {
            violations.append("the feed goes back")
        }
        // What was read from the remote has its version from there.
        let own = feed.filter { $0.entry.origin == .local }
        for (change, next) in zip(own, own.dropFirst()) where change.entry.version >= next.entry.version {
            violations.append("versions go back")
        }
        for change in feed {
            let content: PowerCutLedger.Content
            switch (change.entry.value, change.entry.form) {
            case (nil, _): content = .tombstone
            case (let value?, .plain): content = .plain(value)
            case (let value?, .sealed(let used)):
                let text = try cipher.open(value, key: change.key, compressed: true, fingerprint: used)
                content = .sealed(String(decoding: text, as: UTF8.self), used)
            }
            let key = change.key.string
            if found[key] != nil { violations.append("\(key) stands twice in the feed") }
            found[key] = Found(content: content, sequence: change.entry.sequence.number)
        }
        let names = try found.keys.map { try CacheKey($0) }
        let entries = try await store.read(names)
        for (name, entry) in zip(names, entries) where entry?.sequence.number != found[name.string]?.sequence {
            violations.append("\(name.string) is in the feed and not in its place")
        }
        let watermark = try await store.watermark().number
        if watermark > 0 { found["watermark"] = Found(content: .watermark(watermark)) }
        return violations + ledger.judge(found, lastSequence: last, isFull: isFull)
    }
}
