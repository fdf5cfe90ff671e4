#if canImport(Glibc)
    // `environ` is a variable of C: nothing in CacheKit changes the environment, and who does while it is read has to wait.
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    @preconcurrency import Darwin
#endif
import CacheKitCore

/// Variables by name: of this process, or given. Values are read one by one, so that a master key is never copied into a
/// `String`.
struct Environment: Sendable {
    /// Those that begin with `CACHEKIT_`, sorted.
    let names: [String]
    /// The bytes of a variable.
    let bytes: @Sendable (String) -> [UInt8]?

    /// The environment of this process.
    static var process: Environment {
        var names: [String] = []
        var entry = environ
        while let text = entry.pointee {
            entry += 1
            guard strncmp(text, Setting.prefix, Setting.prefix.utf8.count) == 0 else { continue }
            let end = strchr(text, Int32(UInt8(ascii: "="))) ?? text + strlen(text)
            names.append(String(decoding: UnsafeRawBufferPointer(start: text, count: end - text), as: UTF8.self))
        }
        return Environment(names: names.sorted(), bytes: Keyring.processEnvironment)
    }

    /// Variables that a caller gives.
    init(_ variables: [String: String]) {
        names = variables.keys.filter { $0.hasPrefix(Setting.prefix) }.sorted()
        bytes = { variables[$0].map { Array($0.utf8) } }
    }

    private init(names: [String], bytes: @escaping @Sendable (String) -> [UInt8]?) {
        self.names = names
        self.bytes = bytes
    }

    /// A variable that is set to something: an empty one is as good as none.
    func value(_ name: String) -> String? {
        guard let bytes = bytes(name), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    func isSet(_ name: String) -> Bool { bytes(name)?.isEmpty == false }
}
