import ArgumentParser
import CacheKit

/// Deletes keys.
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete keys, whether or not they exist.")

    @Argument(help: "The keys; within --namespace if given.") var keys: [String]
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let keys = try keys.map { try namespace.key($0).string }
        try await withCache(try await store.openForWriting(creatingDatabase: false)) { cache in
            try await cache.documents.delete(keys)
            if let refused = await pushAfterWriting(cache) { throw refused }
        }
    }
}
