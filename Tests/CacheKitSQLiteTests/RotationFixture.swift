import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Testing

/// A store that a test has opened already, given to a cache.
struct Opened: LocalStoreProvider {
    let store: any LocalStore
    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { store }
}

extension Keyring {
    /// The tenant's keys of ``StoreFixture``, the current one first.
    var fingerprints: [KeyFingerprint] {
        get throws { try TenantCipher(keyring: self, tenant: "tenant-one").fingerprints }
    }
}

extension StoreFixture {
    /// A put as a secure cache with this ring makes it.
    func sealedPut(_ key: String, _ text: String, _ keyring: Keyring) throws -> LocalChange {
        let cipher = try TenantCipher(keyring: keyring, tenant: "tenant-one")
        let key = try CacheKey(key)
        return LocalChange(
            key: key, value: try cipher.seal(Array(text.utf8), key: key, compressed: true),
            form: .sealed(cipher.currentFingerprint), mode: .native,
            expiresAt: clock.now().advanced(by: .seconds(600)))
    }

    /// A cache over a store, to drive re-sealing as users do. Closing it closes the store.
    func cache(_ store: any LocalStore, _ keyring: Keyring) async throws -> Cache {
        var configuration = CacheConfiguration()
        configuration.tenant = "tenant-one"
        configuration.clock = clock
        configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try await Cache(
            local: Opened(store: store), encryption: .secure(key: .keyring(keyring)), configuration: configuration)
    }

    /// What a row says, opened with this ring under the very key that the row names.
    func opened(_ key: String, in store: SQLiteStore, _ keyring: Keyring) async throws -> String? {
        let name = try CacheKey(key)
        guard let row = try await store.read([name])[0], let value = row.value, case .sealed(let used) = row.form
        else { return nil }
        let cipher = try TenantCipher(keyring: keyring, tenant: "tenant-one")
        return String(
            decoding: try cipher.open(value, key: name, compressed: true, fingerprint: used), as: UTF8.self)
    }
}

/// Rows of a file as plain SQLite reads them: blobs in hex, NULL as an empty text.
func readSQL(_ path: String, _ sql: String) throws -> [[String]] {
    var database: OpaquePointer?
    try #require(sqlite3_open(path, &database) == SQLITE_OK)
    defer { sqlite3_close(database) }
    sqlite3_busy_timeout(database, 5000)
    var statement: OpaquePointer?
    try #require(sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK)
    defer { sqlite3_finalize(statement) }
    var rows: [[String]] = []
    while sqlite3_step(statement) == SQLITE_ROW {
        rows.append(
            (0..<sqlite3_column_count(statement)).map { column in
                guard sqlite3_column_type(statement, column) == SQLITE_BLOB else {
                    return sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
                }
                let count = Int(sqlite3_column_bytes(statement, column))
                let bytes = UnsafeRawBufferPointer(start: sqlite3_column_blob(statement, column), count: count)
                return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            })
    }
    return rows
}
