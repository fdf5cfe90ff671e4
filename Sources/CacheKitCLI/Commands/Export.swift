import ArgumentParser
import CacheKit

/// Writes the file's live entries as NDJSON.
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the file's live entries as lines that `import` reads.",
        discussion: """
            Values that do not open are named by the number of their change on standard error and skipped; the exit code \
            is then 3. A row that was altered ends the export with 9: see cachekit verify.
            """
    )

    @Option(name: .long, help: "Only keys that start with this.") var prefix = ""
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let prefix = (namespace.namespace.map { "\($0):" } ?? "") + prefix
        let skipped = try await withCache(try await store.open(requiringDatabase: true, usingRedis: false)) { cache in
            var skipped = 0
            try await forEachLiveEntry(in: cache, prefix: prefix) { entry in
                do {
                    guard let value = try cache.document(of: entry) else { return true }
                    let line: MessagePackValue = [
                        "key": .string(entry.key.string), "value": value,
                        "ttl": .int(Seconds.left(until: entry.expiresAt)),
                    ]
                    StandardOutput.write(line.json + [0x0A])
                } catch let error as CacheError {
                    skipped += 1
                    StandardError.write("cachekit: change \(entry.sequence.number) was skipped: \(error.message)")
                }
                return true
            }
            return skipped
        }
        if skipped > 0 {
            StandardError.write("cachekit: \(skipped) entries were skipped")
            throw ExitStatus.partial
        }
    }
}
