import ArgumentParser
import CacheKit

/// Stores one value.
struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Store a value under a key.",
        discussion: """
            The value is JSON, from the argument or, for - or none, from standard input.

              cachekit set users:42 '{"name": "Ada"}' --ttl 10m
              cachekit set logo --raw < logo.png
            """)

    @Argument(help: "The key; within --namespace if given.") var key: String
    @Argument(help: "The value as JSON; - or left out: from standard input.") var value: String?
    @Flag(name: .long, help: "The value is bytes, stored as they are.") var raw = false
    @Option(name: .long, help: "How long it lives: seconds, or 500ms, 10m, 2h, 7d. An hour where left out.") var ttl:
        TTLArgument?
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = try namespace.key(key)
        let limit = raw ? store.maxValue.count : store.maximumTextBytes
        let input = try value.flatMap { $0 == "-" ? nil : Array($0.utf8) } ?? InputStream.standardInput(limit: limit)
        let document = raw ? MessagePackValue.bytes(input) : try MessagePackValue(json: input)
        try await withCache(try await store.openForWriting()) { cache in
            var namespaces = KeyNamespaces(cache, mode: store.namespaceMode)
            namespaces.declare(key)
            try await cache.documents.set(document, for: key, ttl: ttl?.duration)
            if let refused = await pushAfterWriting(cache) { throw refused }
        }
    }
}
