import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// Words that nothing else says, planted as key names, namespaces, tenants and values.
struct Markers {
    let key = Self.word("key")
    let namespace = Self.word("namespace")
    let tenant = Self.word("tenant")
    let value = Self.word("value")
    let repeated = Self.word("repeated")

    var all: [String] { [key, namespace, tenant, value, repeated] }

    /// A key of the namespace.
    func key(_ number: Int) -> String { "\(namespace):\(key)\(number)" }

    /// Bytes that do not compress, with the marker in their middle.
    func incompressible(_ number: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(number))
        let noise = (0..<700).map { _ in UInt8.random(in: 33...126, using: &random) }
        return noise + Array(value.utf8) + noise
    }

    /// Bytes that compress to little more than one marker.
    var compressible: [UInt8] { Array(String(repeating: repeated, count: 50).utf8) }

    private static func word(_ kind: String) -> String {
        kind + String((0..<32).compactMap { _ in "abcdefghijklmnopqrstuvwxyz".randomElement() })
    }

    /// The markers, or parts of 12 bytes of them, that are in some bytes: the ends of a marker may lie in two pages.
    func found(in bytes: Data) -> [String] {
        all.flatMap { marker in
            [marker, String(marker.prefix(12)), String(marker.suffix(12))]
        }.filter { bytes.range(of: Data($0.utf8)) != nil }
    }

    /// Every file below a folder that holds one, with what it holds.
    func found(below folder: String) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return try names.flatMap { name -> [String] in
            let path = folder + "/" + name
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
                return []
            }
            return try found(in: Data(contentsOf: URL(filePath: path))).map { "\(name): \($0)" }
        }
    }
}

@Suite struct MarkerTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let markers = Markers()

    @Test func `a marker that is written in the clear is found`() throws {
        try Data(markers.incompressible(1)).write(to: URL(filePath: fixture.folder + "/clear"))
        #expect(try markers.found(below: fixture.folder).count == 3)
    }

    @Test(arguments: [true, false])
    func `nothing of a cache's entries is readable on disk or in its log, at any moment`(isSecure: Bool) async throws {
        let log = LogRecorder()
        let ring = KeySource.keyring(try Keyring(current: fixture.masterKey))
        var configuration = CacheConfiguration()
        configuration.tenant = markers.tenant
        configuration.logger = log.logger
        configuration.memory.maximumBytes = 0
        // So that at least one line is logged.
        try FileManager.default.setAttributes([.posixPermissions: 0o775], ofItemAtPath: fixture.folder)
        let cache = try await Cache(
            local: .sqlite(path: fixture.path), encryption: isSecure ? .secure(key: ring) : .plain(fileKey: ring),
            configuration: configuration)
        for round in 0..<2 {
            for number in 0..<100 {
                let value = number.isMultiple(of: 2) ? markers.incompressible(number + round) : markers.compressible
                try await cache.bytes.set(value, for: CacheKey(markers.key(number)))
            }
        }
        for number in 0..<30 { try await cache.bytes.delete(CacheKey(markers.key(number))) }
        #expect(try await cache.bytes.get(CacheKey(markers.key(50))) == markers.incompressible(51))
        for suffix in ["", "-wal", "-shm"] { #expect(try size(fixture.path + suffix) > 0) }
        #expect(try markers.found(below: fixture.folder).isEmpty, "while it is open")
        await cache.shutdown()
        #expect(try markers.found(below: fixture.folder).isEmpty, "after closing")
        #expect(!log.lines.isEmpty)
        #expect(markers.found(in: Data(log.lines.joined(separator: "\n").utf8)).isEmpty)
    }

    @Test func `nothing is readable after eviction, sweeping, dead letters and a backup`() async throws {
        let log = LogRecorder()
        // Filled under a bound that is never reached, then opened with a lower one.
        var store = try await fixture.open(tenant: markers.tenant, logger: log.logger)
        for start in stride(from: 0, to: 1000, by: 100) {
            try await store.commit(
                try (start..<start + 100).map {
                    try fixture.put(markers.key($0), markers.incompressible($0), seconds: 60 + $0)
                })
        }
        let letter = DeadLetter(
            sequence: ChangeSequence(3), key: try CacheKey(markers.key(2)),
            reason: CacheError(.remoteRejected, markers.value))
        try await store.settle(Settlement(through: ChangeSequence(900), deadLetters: [letter]))
        await store.close()
        store = try await fixture.open(tenant: markers.tenant, logger: log.logger) { $0.sizeLimit = 1 << 20 }
        fixture.clock.advance(by: .seconds(200))
        while try await store.maintain() {}
        #expect(try await store.statistics().entries < 900)
        #expect(try await store.value(markers.key(2)) != nil)
        _ = try await store.acquirePusherLease()?.release()
        _ = try await store.backup(to: fixture.folder + "/copy.db")
        #expect(try markers.found(below: fixture.folder).isEmpty, "while it is open")
        await store.close()
        #expect(try markers.found(below: fixture.folder).isEmpty, "after closing")
        #expect(markers.found(in: Data(log.lines.joined(separator: "\n").utf8)).isEmpty)
    }

    @Test func `no error names a key, a value or a tenant`() async throws {
        let store = try await fixture.open(tenant: markers.tenant) { $0.maximumValueBytes = 2000 }
        for number in 1...9 {
            try await store.commit([fixture.put(markers.key(number), markers.incompressible(number))])
        }
        await store.close()
        try runSQL(fixture.path, "UPDATE entries SET origin = 1 WHERE change_seq = 2")
        let altered = try await fixture.open(tenant: markers.tenant) { $0.maximumValueBytes = 2000 }
        let failures: [any Error] = [
            await failure { _ = try await fixture.open(tenant: markers.tenant + "x") },
            await failure { _ = try await fixture.open(keyring: Keyring(current: MasterKey.generate())) },
            await failure { _ = try await altered.value(markers.key(2)) },
            await failure { _ = try await altered.backup(to: fixture.folder + "/copy.db") },
            await failure {
                try await altered.commit([fixture.put(markers.key(1), [UInt8](repeating: 1, count: 2001))])
            },
            await failure {
                _ = try await altered.changes(after: ChangeSequence(1), origin: nil, limit: 9, byteLimit: 1 << 20)
            },
            await failure { _ = try CacheKey(markers.key + "\0") },
        ].compactMap(\.self)
        await altered.close()
        #expect(failures.count == 7)
        for failure in failures {
            let text = "\(failure) \(String(reflecting: failure)) \(failure.localizedDescription)"
            #expect(markers.found(in: Data(text.utf8)).isEmpty, "\(text)")
        }
    }

    private func failure(_ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    private func size(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }
}
