import ArgumentParser
import CacheKit

/// Prints one value.
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the value of a key.", discussion: "Exits with 3 when there is no live entry.")

    @Argument(help: "The key; within --namespace if given.") var key: String
    @Flag(name: .long, help: "Print the bytes of a value that is bytes or text, as they are.") var raw = false
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = try namespace.key(key)
        try await withCache(try await store.open(creatingDatabase: false)) { cache in
            var namespaces = KeyNamespaces(cache, mode: store.namespaceMode)
            namespaces.declare(key)
            guard let value = try await cache.documents.get(key) else {
                // A miss because Redis is away is not the same as no entry.
                if store.redisURL != nil, case .unavailable(let error) = await cache.health().remote.state {
                    throw error
                }
                StandardError.write("cachekit: no live entry under this key")
                throw ExitStatus.partial
            }
            guard raw else {
                StandardOutput.write(value.json + [0x0A])
                return
            }
            switch value {
            case .bytes(let bytes): StandardOutput.write(bytes)
            case .string(let text): StandardOutput.write(Array(text.utf8))
            default: throw CacheError(.decoding, "the value is neither bytes nor text; leave out --raw")
            }
        }
    }
}
