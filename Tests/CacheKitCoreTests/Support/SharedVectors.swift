import Foundation

@testable import CacheKitCore

/// Vectors that other CacheKit SDKs published, in the `shared` folder beside the checkout (or `CACHEKIT_SHARED`).
enum SharedVectors {
    // `nonisolated(unsafe)` because JSON as `Any` is not Sendable; it is never changed.
    nonisolated(unsafe) static let interop = load("interop-mode.json")
    nonisolated(unsafe) static let wireFormat = load("wire-format.json")

    /// A list of one of the files; empty where the folder is absent.
    static func list(_ file: [String: Any]?, _ name: String) -> [[String: Any]] {
        file?[name] as? [[String: Any]] ?? []
    }

    private static func load(_ name: String) -> [String: Any]? {
        guard let folder, let json = try? Data(contentsOf: folder.appending(path: "vectors/\(name)")) else {
            return nil
        }
        return try? JSONSerialization.jsonObject(with: json) as? [String: Any]
    }

    private static let folder: URL? = {
        if let path = ProcessInfo.processInfo.environment["CACHEKIT_SHARED"] { return URL(filePath: path) }
        var folder = URL(filePath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let shared = folder.appending(path: "shared")
            if FileManager.default.fileExists(atPath: shared.appending(path: "vectors").path) { return shared }
        }
        return nil
    }()
}

/// The bytes of a hex string in a test.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.compactMap(hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The lowercase hex of bytes in a test.
func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
