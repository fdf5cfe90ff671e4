import ArgumentParser
import CacheKit
import CacheKitCore
import CacheKitSQLite

extension Keys {
    /// Shuts the file to master keys that had their time.
    struct Retire: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shut the file to the keys in CACHEKIT_PREVIOUS_MASTER_KEYS.",
            discussion: """
                The file opens with them no more, and no process brings them back. Refuses, and changes nothing, while a row \
                or a conflict needs one of them (exit code 3). A key that is yet to be promoted is kept unless \
                it is named. Older copies of the file and backups still open with the retired keys.
                """)

        @Option(
            name: .long, help: "Retire this key instead: a fingerprint as `cachekit stats` prints it; may be repeated.")
        var fingerprint: [String] = []

        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func validate() throws {
            _ = try named()
        }

        func run() async throws {
            _ = try store.existingDatabasePath()
            let names = try named()
            let ring = try TenantCipher(keyring: try store.keyring(), tenant: store.tenant).fingerprints
            guard !names.isEmpty || ring.count > 1 else {
                throw CacheError(
                    .invalidConfiguration,
                    "no key is named: set CACHEKIT_PREVIOUS_MASTER_KEYS to those that go, or give --fingerprint")
            }
            let (retired, upcoming, after) = try await withFile(store) { file in
                let uses = try await file.keyUse()
                let previous = ring.dropFirst()
                let upcoming = uses.filter { $0.standing == .upcoming && previous.contains($0.fingerprint) }
                let chosen =
                    names.isEmpty
                    ? previous.filter { key in !upcoming.contains { $0.fingerprint == key } } : names
                let gone = Swift.Set(uses.filter { $0.standing == .retired }.map(\.fingerprint))
                let due = chosen.filter { !gone.contains($0) }
                if !due.isEmpty { try await file.retire(due) }
                return (due, names.isEmpty ? upcoming.map(\.fingerprint) : [], try await file.keyUse())
            }
            var fields = Report()
            fields.add("retired", .array(retired.map { .string($0.description) }))
            fields.add("kept_upcoming", .array(upcoming.map { .string($0.description) }))
            let kept = after.filter { $0.standing != .retired }.map(\.fingerprint.description)
            fields.add("keys_left", .array(kept.map { .string($0) }))
            fields.print(json: report.json)
        }

        private func named() throws -> [KeyFingerprint] {
            try fingerprint.map { text in
                guard let key = KeyFingerprint(hex: text) else {
                    throw ValidationError(
                        "'\(text)' is not a fingerprint: 32 hex digits, as `cachekit stats` prints them")
                }
                return key
            }
        }
    }
}

extension KeyFingerprint {
    /// A fingerprint as it is printed; `nil` for any other text.
    init?(hex: String) {
        guard hex.utf8.count == 32, hex.utf8.allSatisfy({ $0 < 0x80 && Character(UnicodeScalar($0)).isHexDigit }) else {
            return nil
        }
        let digits = Array(hex)
        self.init(bytes: stride(from: 0, to: 32, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) })
    }
}
