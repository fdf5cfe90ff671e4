import CacheKit
import CacheKitCore
import Foundation
import Testing

@testable import CacheKitSettings

/// A folder of its own, removed at the end.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/cachekit-settings-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file that nobody else may read.
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

let masterKeyHex = String(repeating: "a1", count: 32)

/// The error that making a cache throws; `nil` if it is made.
func refusal(_ settings: CacheSettings) async -> CacheError? {
    do throws(CacheError) {
        await (try Cache(settings)).shutdown(deadline: .zero)
        return nil
    } catch {
        return error
    }
}

extension CacheError {
    /// The mistakes that it tells of.
    var mistakes: [String] {
        let lines = message.split(separator: "\n").map(String.init)
        return lines.count == 1 ? lines : lines.dropFirst().map { String($0.dropFirst(2)) }
    }
}

extension [String] {
    /// Whether one of them has all these words in it.
    func name(_ words: String...) -> Bool { contains { line in words.allSatisfy(line.contains) } }
}
