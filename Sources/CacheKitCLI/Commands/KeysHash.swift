import ArgumentParser
import CacheKitCore

extension Keys {
    /// Prints what logs call a key.
    struct Hash: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what logs call a key: '#' and 12 hex digits.",
            discussion: """
                Logs name no key: they have a hash that depends on master key and tenant. One line for each key: the hash, a \
                space, the key. Without arguments, keys are read from standard input, one a line:

                  cachekit list | cachekit keys hash | grep '#1a2b3c4d5e6f'

                A log from before a rotation was written under the master key of that time.
                """)

        @Argument(help: "Keys, as in Redis; from standard input where left out.") var keys: [String] = []
        @OptionGroup var namespace: NamespaceOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let hasher = try KeyHasher(master: store.keyring().current, tenant: store.tenant)
            for key in keys { try print(key, hasher) }
            guard keys.isEmpty else { return }
            while let line = readLine() { if !line.isEmpty { try print(line, hasher) } }
        }

        private func print(_ name: String, _ hasher: KeyHasher) throws {
            let key = try namespace.key(name)
            StandardOutput.write("\(hasher.hash(key)) \(key.string)")
        }
    }
}
