import CacheKit
import CacheKitCore
import CacheKitSQLite

/// Opens the file alone, below the cache; works with it, and closes it, however the work ends.
func withFile<Result>(_ options: StoreOptions, _ body: (SQLiteStore) async throws -> Result) async throws -> Result {
    let configuration = options.configuration
    let file = try await SQLiteStore.open(
        StoreOptions.file(try options.requiredDatabasePath()),
        LocalStoreContext(
            keyring: try options.keyring(), tenant: configuration.tenant, hasRemote: false, clock: configuration.clock,
            logger: configuration.logger))
    do {
        let result = try await body(file)
        await file.close()
        return result
    } catch {
        await file.close()
        throw error
    }
}

extension StoreOptions {
    /// The path of the file, for commands that work on nothing else.
    func requiredDatabasePath() throws(CacheError) -> String {
        guard let databasePath else {
            throw CacheError(
                .invalidConfiguration, "this command reads the file: give --database or set CACHEKIT_DATABASE")
        }
        return databasePath
    }

    /// The same, where the command must not create the file.
    func existingDatabasePath() throws(CacheError) -> String {
        let path = try requiredDatabasePath()
        guard SQLiteConfiguration(path: path).fileExists else {
            throw CacheError(.inputOutput, "there is no file at this path; check --database or CACHEKIT_DATABASE")
        }
        return path
    }
}
