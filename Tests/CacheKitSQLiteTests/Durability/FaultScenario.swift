import CSQLite
import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Logging
import Testing

@testable import CacheKitSQLite

/// A fixed row of steps on a file, each with what the file holds after it; run with calls failing under it.
struct FaultScenario: Sendable {
    /// What a file holds: values, `nil` for a tombstone, and what it keeps for whoever sends.
    struct State: Equatable {
        var values: [String: [UInt8]?] = [:]
        var watermark: UInt64 = 0
        var sentThrough: UInt64 = 0
        var marks: RemoteMarks?
        var parked = 0
        var conflicts = 0
    }

    struct Step: Sendable {
        var name: String
        var run: @Sendable (FaultScenario, SQLiteStore) async throws -> Void
        var change: @Sendable (inout State) -> Void = { _ in }
    }

    let vfs: FaultVFS
    let folder: String
    let keyring: Keyring
    let isFull: Bool
    let clock = ManualClock()

    var path: String { folder + "/cache.db" }

    init(isFull: Bool) throws {
        vfs = try FaultVFS()
        folder = try DamageImage.folder()
        keyring = try Keyring(current: MasterKey.generate())
        self.isFull = isFull
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// - Parameter isFaulty: Whether calls may fail under it.
    func open(_ path: String, isFaulty: Bool = true) async throws(CacheError) -> SQLiteStore {
        var configuration = SQLiteConfiguration(path: path)
        if isFaulty { configuration.vfs = vfs.name }
        configuration.durability = isFull ? .full : .relaxed
        configuration.readerCount = 1
        // Many pages, and so many calls.
        configuration.pageSize = 1024
        let context = LocalStoreContext(
            keyring: keyring, tenant: "tenant-one", hasRemote: true, clock: clock,
            logger: Logger(label: "faults") { _ in SwiftLogNoOpLogHandler() })
        return try await SQLiteStore.open(configuration, context)
    }

    func change(_ key: String, _ value: [UInt8]?) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: value, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(600)))
    }

    private static func put(_ values: [String: [UInt8]?], _ name: String) -> Step {
        Step(
            name: name,
            run: { scenario, store in
                _ = try await store.commit(
                    values.sorted { $0.key < $1.key }.map { try scenario.change($0.key, $0.value) })
            },
            change: { $0.values.merge(values) { $1 } })
    }

    private static func settle(_ number: UInt64) -> Step {
        Step(
            name: "settle", run: { try await $1.settle(Settlement(through: ChangeSequence(number))) },
            change: {
                $0.watermark = number
                $0.sentThrough = max($0.sentThrough, number)
            })
    }

    private static func sequence(of key: String, _ store: SQLiteStore) async throws -> ChangeSequence {
        try #require(try await store.read([CacheKey(key)])[0]).sequence
    }

    /// What the engine does to a file.
    private static let sending: [Step] = [
        put(["f": [1], "g": [2]], "put to be sent"),
        Step(
            name: "begin sending",
            run: {
                try await $1.beginSending(through: sequence(of: "g", $1), fence: [UInt8](repeating: 1, count: 900))
            },
            change: { $0.sentThrough = 12 }),
        Step(
            name: "park and mark",
            run: { _, store in
                let parked = ParkedChange(
                    sequence: try await sequence(of: "f", store), key: try CacheKey("f"), reason: .tooOld)
                try await store.settle(
                    Settlement(
                        through: parked.sequence, parked: [parked],
                        marks: RemoteMarks(bucketCount: 256, sequences: [3: 4])))
            },
            change: {
                $0.watermark = 11
                $0.parked = 1
                $0.marks = RemoteMarks(bucketCount: 256, sequences: [3: 4])
            }),
        Step(
            name: "resolve",
            run: { scenario, store in
                var resolutions: [Resolution] = []
                for key in ["f", "g"] {
                    resolutions.append(
                        Resolution(
                            sequence: try await sequence(of: key, store),
                            winner: try scenario.change(key, [UInt8](repeating: 9, count: 2000)), loss: .stale))
                }
                #expect(try await store.resolve(resolutions) == [true, true])
            },
            change: {
                for key in ["f", "g"] { $0.values[key] = [UInt8](repeating: 9, count: 2000) }
                $0.conflicts = 2
            }),
        Step(
            name: "restamp",
            run: { scenario, store in
                let stamp = Restamp(
                    key: try CacheKey("a"), sequence: try await sequence(of: "a", store),
                    above: Version(stamp: UInt64(scenario.clock.now().milliseconds) << 16, node: 1))
                #expect(try await store.restamp([stamp], at: scenario.clock.now())[0] != nil)
            }),
    ]

    static let steps: [Step] = storing + sending

    private static let storing: [Step] = [
        put(["a": [1]], "put"),
        put(["a": [2], "b": [UInt8](repeating: 3, count: 3000), "c": [4]], "put several"),
        put(["b": nil], "delete"),
        settle(3),
        Step(
            name: "fill",
            run: { scenario, store in
                let stored = try await store.fill([RemoteFill(change: scenario.change("d", [5]), expected: nil)])
                #expect(stored == [true])
            }, change: { $0.values["d"] = [5] }),
        put(["e": [UInt8](repeating: 6, count: 40_000)], "put what is large"),
        // Moves the log, as another process might; what fails there costs space only.
        Step(
            name: "checkpoint",
            run: { scenario, _ in
                PlainConnection.checkpoint(
                    scenario.path, vfs: scenario.vfs.name, mode: SQLITE_CHECKPOINT_TRUNCATE)
            }),
        put(["a": [7]], "put after a checkpoint"),
        Step(name: "maintain", run: { _ = try await $1.maintain() }),
        Step(name: "statistics", run: { _ = try await $1.statistics() }),
        Step(
            name: "feed",
            run: { _ = try await $1.changes(after: .zero, origin: .local, limit: 100, byteLimit: 1 << 20) }),
        put(["c": [8], "e": [9]], "put at the end"),
    ]

    /// What a store holds, through reads, feed and watermark.
    func state(of store: SQLiteStore) async throws -> State {
        var state = State()
        let names = try ["a", "b", "c", "d", "e", "f", "g"].map { try CacheKey($0) }
        for (name, entry) in zip(names, try await store.read(names)) {
            if let entry { state.values[name.string] = .some(entry.value) }
        }
        let feed = try await store.changes(after: .zero, origin: nil, limit: 100, byteLimit: 1 << 20)
        #expect(feed.count == state.values.count)
        for change in feed { #expect(state.values[change.key.string] == .some(change.entry.value)) }
        state.watermark = try await store.watermark().number
        // Not by a scan, which opens another connection.
        return try await store.read { [state] reader throws(CacheError) in
            var state = state
            state.parked = Int(try reader.connection.integer("SELECT count(*) FROM parked"))
            state.conflicts = Int(try reader.connection.integer("SELECT count(*) FROM conflicts"))
            state.sentThrough = state.watermark
            // Of whichever node: a copy is another one.
            guard let note = try reader.meta.sent(store.file.keys) else { return state }
            state.sentThrough = max(state.watermark, note.sequence)
            state.marks = try MarksTable.marks(of: note.node, reader.connection, store.file.keys)
            return state
        }
    }

    /// What would be found if the process were killed now.
    func stateAfterKill() async throws -> State {
        let copy = folder + "/copy.db"
        for suffix in ["", "-wal", "-shm", "-lease", "-journal"] {
            try? FileManager.default.removeItem(atPath: copy + suffix)
            if suffix != "-shm", FileManager.default.fileExists(atPath: path + suffix) {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
            }
        }
        let store = try await open(copy, isFaulty: false)
        let state = try await state(of: store)
        #expect(try await store.verify().isClean)
        await store.close()
        return state
    }
}
