import ArgumentParser
import CacheKit

/// Lists what the file holds.
struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the live keys of the file, in order of change.",
        discussion: """
            With --json one object a line: key, bytes, ttl (seconds left), mode, origin.
            What was removed by namespace or tag is left out, as far as the file knows of it; with a relay key that can't be told.
            """)

    @Option(name: .long, help: "Only keys that start with this.") var prefix = ""
    @Option(name: .long, help: "At most so many keys.") var limit: Int?
    @Flag(name: .long, help: "Also what was removed by namespace or tag.") var removed = false
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    }

    func run() async throws {
        let prefix = (namespace.namespace.map { "\($0):" } ?? "") + prefix
        try await withCache(try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)) {
            cache in
            let removals = removed || store.relayKey != nil ? HeldRemovals() : try await cache.heldRemovals()
            var listed = 0
            try await forEachLiveEntry(in: cache, prefix: prefix) { entry in
                if let limit, listed == limit { return false }
                if cache.isRemoved(entry, by: removals) { return true }
                listed += 1
                guard report.json else {
                    StandardOutput.write(entry.key.string)
                    return true
                }
                let line: MessagePackValue = [
                    "key": .string(entry.key.string), "bytes": .int(Int64(entry.byteCount)),
                    "ttl": .int(Seconds.left(until: entry.expiresAt)), "mode": .string("\(entry.mode)"),
                    "origin": .string("\(entry.origin)"),
                ]
                StandardOutput.write(line.json + [0x0A])
                return true
            }
        }
    }
}

/// Walks the live entries of the file page by page; `body` gives `false` to stop.
func forEachLiveEntry(in cache: Cache, prefix: String, _ body: (LocalEntry) async throws -> Bool) async throws {
    var position = ChangeSequence.zero
    while true {
        let page = try await cache.localEntries(after: position, limit: 500)
        guard let last = page.last else { return }
        position = last.sequence
        let now = SystemClock().now()
        for entry in page
        where !entry.isTombstone && !entry.isNegative && entry.expiresAt > now && entry.key.string.hasPrefix(prefix) {
            if try await !body(entry) { return }
        }
    }
}

/// Times as the command prints them.
enum Seconds {
    /// Whole seconds until a time, rounded up, so that a live entry never shows 0.
    static func left(until time: Timestamp) -> Int64 {
        (SystemClock().now().duration(to: time).wholeMilliseconds + 999) / 1000
    }
}
