import Foundation
import Testing

@testable import CacheKitCore

struct RelayKeyFileTests {
    private static let databaseID = Array(UInt8(1)...16)
    private static let secretBytes = (0..<64).map { UInt8(truncatingIfNeeded: 0xB0 + $0 * 3) }

    private static func key() throws -> RelayKey {
        try secretBytes.withUnsafeBytes { bytes in
            try RelayKey(databaseID: databaseID, secret: SecretBytes(copying: bytes))
        }
    }

    /// Runs `body` with a path in a folder of its own, which is removed afterwards.
    private static func withPath<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-relay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.appending(path: "relay.key").path)
    }

    /// What reading a file of these bytes throws; it says nothing of what is in the file.
    private static func refusal(_ content: [UInt8], mode: Int = 0o600) throws -> CacheError.Code? {
        try withPath { path in
            #expect(
                FileManager.default.createFile(
                    atPath: path, contents: Data(content), attributes: [.posixPermissions: mode]))
            let error = #expect(throws: CacheError.self) { try RelayKey(file: path) }
            #expect(error?.cause == nil && error?.message.contains("\n") == false)
            return error?.code
        }
    }

    private static func content() throws -> [UInt8] {
        try withPath { path in
            try key().write(to: path)
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    @Test func `the file has the documented bytes, and reading gives them back`() throws {
        try Self.withPath { path in
            try Self.key().write(to: path)
            let content = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            let head = Array("CKrk".utf8) + [1] + Self.databaseID + Self.secretBytes
            #expect(content == head + (try SHA256.digest(head)))
            let read = try RelayKey(file: path)
            #expect(read.databaseID == Self.databaseID)
            #expect(read.secret == (try Self.key().secret))
        }
    }

    @Test func `only its owner may touch the file, whatever the umask`() throws {
        try Self.withPath { path in
            let former = umask(0o777)
            defer { umask(former) }
            try Self.key().write(to: path)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func `nothing that is there is replaced, not even a link that leads nowhere`() throws {
        try Self.withPath { path in
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            let there = #expect(throws: CacheError.self) { try Self.key().write(to: path) }
            #expect(there?.code == .invalidArgument)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
            let link = path + "-link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path + "-elsewhere")
            let linked = #expect(throws: CacheError.self) { try Self.key().write(to: link) }
            #expect(linked?.code == .invalidArgument)
            #expect(!FileManager.default.fileExists(atPath: path + "-elsewhere"))
            let lost = #expect(throws: CacheError.self) { try Self.key().write(to: path + "/no/folder") }
            #expect(lost?.code == .inputOutput)
        }
    }

    @Test func `each altered byte is told`() throws {
        let content = try Self.content()
        for place in content.indices {
            var altered = content
            altered[place] ^= 0x20
            let expected: CacheError.Code = place == 4 ? .newerFormat : .invalidMasterKey
            #expect(try Self.refusal(altered) == expected, "byte \(place)")
        }
    }

    @Test func `a file that is too short or goes on is no key`() throws {
        let content = try Self.content()
        for count in [0, 3, 4, 5, 21, 85, content.count - 1] {
            #expect(try Self.refusal(Array(content.prefix(count))) == .invalidMasterKey, "\(count) bytes")
        }
        #expect(try Self.refusal(content + [0]) == .invalidMasterKey)
        #expect(try Self.refusal(content + [UInt8](repeating: 7, count: 1000)) == .invalidMasterKey)
    }

    @Test func `a master key is no relay key, and the other way round`() throws {
        #expect(try Self.refusal(Array(String(repeating: "a1", count: 32).utf8)) == .invalidMasterKey)
        try Self.withPath { path in
            try Self.key().write(to: path)
            let error = #expect(throws: CacheError.self) { try MasterKey(file: path) }
            #expect(error?.code == .invalidMasterKey)
        }
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o620, 0o601])
    func `a file that others may touch is refused`(mode: Int) throws {
        #expect(try Self.refusal(try Self.content(), mode: mode) == .invalidConfiguration)
    }

    @Test func `a missing file is a missing key, and says how to make one`() throws {
        let error = try Self.withPath { path in #expect(throws: CacheError.self) { try RelayKey(file: path) } }
        #expect(error?.code == .missingMasterKey)
        #expect(error?.message.contains("cachekit keys export --relay") == true)
    }

    @Test func `nothing that is printed of a key says what it is`() throws {
        let key = try Self.key()
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(text.count < 40 && !text.contains("176") && !text.lowercased().contains("b0"), "\(text)")
        }
    }
}
