import ArgumentParser
import CacheKit
import CacheKitSQLite
import Synchronization

/// Writes the file's live entries as NDJSON.
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the file's live entries as lines that `import` reads.",
        discussion: """
            Reads past damage: a row that was altered or can't be read, and a value that does not open, is named by the number \
            of its change on standard error and skipped; the exit code is then 3. The file is only read, and need not be in \
            order otherwise: see cachekit doctor.
            What was removed by namespace or tag is left out, as far as the file knows of it.
            """
    )

    @Option(name: .long, help: "Only keys that start with this.") var prefix = ""
    @Flag(name: .long, help: "Also what was removed by namespace or tag.") var removed = false
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let file = StoreOptions.file(try store.existingDatabasePath())
        let opener = try DocumentOpener(try store.encryption(), tenant: store.tenant)
        let prefix = (namespace.namespace.map { "\($0):" } ?? "") + prefix
        let removals = removed ? HeldRemovals() : try await heldRemovals(file, opener)
        let skipped = Skipped()
        let places = try await file.salvage(keyring: try store.keyring(), tenant: store.tenant) { row in
            switch row {
            case .altered(let change): skipped.add(change, "it was altered")
            case .unreadable(let change): skipped.add(change, "its page can't be read")
            case .intact(let change):
                guard !change.entry.isTombstone, !change.entry.isNegative, change.entry.staleAt > SystemClock().now(),
                    change.key.string.hasPrefix(prefix)
                else { return }
                do throws(CacheError) {
                    guard let value = try opener.document(of: change, unless: removals) else { return }
                    let line: MessagePackValue = [
                        "key": .string(change.key.string), "value": value,
                        "ttl": .int(Seconds.left(until: change.entry.staleAt)),
                    ]
                    StandardOutput.write(line.json + [0x0A])
                } catch {
                    skipped.add(change.entry.sequence, error.message)
                }
            }
        }
        if places > 0 {
            StandardError.write("cachekit: \(places) places of the file can't be read; rows there may be missing")
        }
        if skipped.count > 0 { StandardError.write("cachekit: \(skipped.count) entries were skipped") }
        if places > 0 || skipped.count > 0 { throw ExitStatus.partial }
    }

    /// Rows come in no order, so what tells of removals is read first. What can't be read is named when the rest is.
    private func heldRemovals(
        _ file: SQLiteConfiguration, _ opener: DocumentOpener
    ) async throws -> HeldRemovals {
        let removals = Mutex(HeldRemovals())
        try await file.salvage(keyring: try store.keyring(), tenant: store.tenant) { row in
            guard case .intact(let change) = row else { return }
            removals.withLock { opener.takeIn(change, to: &$0) }
        }
        return removals.withLock { $0 }
    }
}

/// Counts what is skipped, and names the first thousand.
private final class Skipped: Sendable {
    private let total = Mutex(0)
    var count: Int { total.withLock { $0 } }

    func add(_ change: ChangeSequence, _ reason: String) {
        let count = total.withLock { total in
            total += 1
            return total
        }
        if count <= 1000 { StandardError.write("cachekit: change \(change.number) was skipped: \(reason)") }
    }
}
