import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Testing

/// A folder of its own, removed at the end, with what a store needs.
final class StoreFixture: Sendable {
    let folder: String
    let clock = ManualClock()
    let masterKey: MasterKey

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/cachekit-sqlite-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        masterKey = try MasterKey.generate()
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    var path: String { folder + "/cache.db" }

    func open(
        keyring: Keyring? = nil, tenant: String = "tenant-one", hasRemote: Bool = true, clock: ManualClock? = nil,
        logger: Logger = Logger(label: "test"),
        _ adjust: (inout SQLiteConfiguration) -> Void = { _ in }
    ) async throws -> SQLiteStore {
        var configuration = SQLiteConfiguration(path: path)
        adjust(&configuration)
        let context = LocalStoreContext(
            keyring: try keyring ?? Keyring(current: masterKey), tenant: tenant, hasRemote: hasRemote,
            clock: clock ?? self.clock,
            logger: logger)
        return try await SQLiteStore.open(configuration, context)
    }

    func put(_ key: String, _ value: [UInt8], seconds: Int = 600) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: value, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(seconds)))
    }

    func delete(_ key: String) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: nil, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(600)))
    }
}

/// The code of the error that a body throws; `nil` if it throws none.
func code(_ body: () async throws -> Void) async -> CacheError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? CacheError)?.code
    }
}

extension SQLiteStore {
    func value(_ key: String) async throws -> [UInt8]? {
        try await read([CacheKey(key)])[0]?.value
    }
}
