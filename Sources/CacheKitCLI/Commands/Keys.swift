import ArgumentParser
import CacheKitCore
import Foundation

/// Master keys, and the keys of entries shared with other SDKs.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, rotate and retire master keys, export relay keys, and name entries of other SDKs and of logs.",
        subcommands: [Generate.self, Rotate.self, Retire.self, Export.self, Interop.self, Hash.self])

    /// Prints a new master key.
    struct Generate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a new master key: 64 hex digits.",
            discussion: """
                Keep it where only the service can read it. Whoever loses it loses the entries.

                  (umask 077; cachekit keys generate > key)     then --key-file key
                  export CACHEKIT_MASTER_KEY=$(cachekit keys generate)
                """)

        func run() throws {
            try MasterKey.generate().withHex { hex in StandardOutput.write(Array(hex) + [0x0A]) }
        }
    }

    /// Prints the key that every SDK gives a call.
    struct Interop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the key that every SDK gives a call: NAMESPACE:OPERATION:HASH.",
            discussion: "Example: cachekit keys interop users get_user '[42]'")

        @Argument(help: "The namespace.") var namespace: String
        @Argument(help: "The operation.") var operation: String
        @Argument(help: "The arguments as a JSON array.") var arguments = "[]"

        func run() throws {
            guard case .array(let elements) = try MessagePackValue(json: Array(arguments.utf8)) else {
                throw CacheError(.invalidArgument, "the arguments are not a JSON array; write '[42, \"a\"]'")
            }
            let operation = try InteropOperation(namespace: namespace, operation: operation)
            StandardOutput.write(try operation.key(elements.map(InteropArgument.init)).string)
        }
    }
}
