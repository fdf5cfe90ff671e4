import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKitSettings

struct SecretTests {
    private let marker = "xyzzymarker"
    let folder: Folder

    init() throws { folder = try Folder() }

    private func shown(_ settings: CacheSettings) -> String {
        var dumped = ""
        dump(settings, to: &dumped)
        return settings.description + settings.debugDescription + dumped + "\(settings)" + String(reflecting: settings)
            + settings.problems.joined(separator: "\n")
    }

    @Test(arguments: Setting.all.map(\.name))
    func `what is planted in a setting is in no message and no description`(name: String) async throws {
        let setting = try #require(Setting.byName[name])
        for value in [
            marker, "redis://\(marker):\(marker)@\(marker):1/\(marker)", "redis://u:\(marker)@h", "/\(marker)",
        ] {
            let environment = CacheSettings.environment(.production, variables: [setting.variable: value])
            #expect(!shown(environment).contains(marker), "\(setting.variable)")
            var json = MessagePackValue.string(value)
            for part in name.split(separator: ".").reversed() {
                json = .map([MessagePackValue.Entry(key: String(part), value: json)])
            }
            let path = try folder.write("settings.json", String(decoding: json.json, as: UTF8.self))
            let file = CacheSettings(file: path, preset: .production)
            #expect(!shown(file).contains(marker), "\(name)")
            let error = try #require(await refusal(file))
            #expect(!"\(error.message) \(error) \(String(reflecting: error))".contains(marker))
        }
    }

    @Test func `keys and code's own credentials are in no description`() throws {
        var settings = CacheSettings.environment(
            .secure, variables: ["CACHEKIT_MASTER_KEY": marker, "CACHEKIT_PREVIOUS_MASTER_KEYS": marker])
        #expect(settings.problems.name("CACHEKIT_MASTER_KEY"))
        settings.keyFile = "/\(marker)"
        settings.setRedis(url: "redis://\(marker)@h")
        settings.setRedis(url: "redis://\(marker):\(marker)@\(marker)")
        settings.cache.tenant = marker
        settings.key = .keyring(try Keyring(current: MasterKey(hex: masterKeyHex)))
        #expect(!shown(settings).contains(marker))
        #expect(!shown(settings).contains(masterKeyHex))
        #expect(settings.description.contains("tenant: (set)"))
    }

    @Test func `secure holds no plaintext in memory, in the file or beside it`() async throws {
        var settings = CacheSettings(.secure)
        settings.database = folder.path + "/cache.db"
        settings.key = .key(try MasterKey(hex: masterKeyHex))
        let cache = try await Cache(settings)
        try await plant(cache)
        #expect(try planted(below: folder.path).isEmpty)
        try expectSealed(cache)
        await cache.shutdown()
        #expect(try planted(below: folder.path).isEmpty)
        // The search finds what is there.
        _ = try folder.write("plain", "--\(marker)--")
        #expect(try planted(below: folder.path) == ["plain"])
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `secure holds no plaintext in Redis either`() async throws {
        let server = try await RedisServer.start(["--save", "", "--appendonly", "yes"])
        defer { server.stop() }
        var settings = CacheSettings(.secure)
        settings.database = folder.path + "/cache.db"
        settings.key = .key(try MasterKey(hex: masterKeyHex))
        settings.setRedis(url: server.unixURL)
        let cache = try await Cache(settings)
        try await plant(cache)
        #expect(await cache.push(deadline: .seconds(20))?.backlog.changes == 0)
        await cache.shutdown()
        var through = CacheSettings(.secure)
        through.key = settings.key
        through.setRedis(url: server.unixURL)
        let direct = try await Cache(through)
        #expect(try await direct.namespace("native", of: String.self).get("1") == marker)
        try await plant(direct)
        try expectSealed(direct)
        await direct.shutdown()
        // What Redis was told, byte by byte, is in its append-only file.
        #expect(try planted(below: server.folder).isEmpty)
        #expect(try planted(below: folder.path).isEmpty)
    }

    /// Values with the marker in every mode and form.
    private func plant(_ cache: Cache) async throws {
        try await cache.namespace("native", of: String.self).set(marker, for: "1")
        try await cache.namespace("interop", of: String.self, mode: .interop).set(marker, for: "1")
        try await cache.bytes.set(Array(marker.utf8), for: "bytes")
        try await cache.documents.set(.string(marker), for: "document")
        #expect(try await cache.namespace("loaded", of: String.self).getOrSet("1") { marker } == marker)
    }

    private func expectSealed(_ cache: Cache) throws {
        for name in ["native:1", "interop:1", "bytes", "document", "loaded:1"] {
            let entry = try #require(cache.memoryEntry(for: try CacheKey(name)))
            #expect(entry.form != .plain)
            #expect(Data(entry.bytes).range(of: Data(marker.utf8)) == nil)
        }
    }

    /// The files below a folder that hold the marker.
    private func planted(below folder: String) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return try names.filter { name in
            let path = "\(folder)/\(name)"
            // Folders and sockets have no contents.
            let type = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
            guard type == .typeRegular else { return false }
            return try Data(contentsOf: URL(filePath: path)).range(of: Data(marker.utf8)) != nil
        }
    }
}
