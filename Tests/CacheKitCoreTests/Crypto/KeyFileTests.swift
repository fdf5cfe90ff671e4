import Foundation
import Testing

@testable import CacheKitCore

struct KeyFileTests {
    private static let digits = String(repeating: "0123456789abcdef", count: 4)

    /// Runs `body` with the path of a file in a folder of its own, which is removed afterwards.
    private static func withFile<Result>(
        _ content: String?, mode: Int = 0o600, _ body: (String) throws -> Result
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-key-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "key").path
        if let content {
            #expect(
                FileManager.default.createFile(
                    atPath: path, contents: Data(content.utf8), attributes: [.posixPermissions: mode]))
        }
        return try body(path)
    }

    private static func refusal(_ content: String?, mode: Int = 0o600) throws -> CacheError? {
        try withFile(content, mode: mode) { path in
            #expect(throws: CacheError.self) { try MasterKey(file: path) }
        }
    }

    @Test(arguments: ["", "\n"])
    func `a key file holds the digits, and a newline may end it`(end: String) throws {
        let key = try Self.withFile(Self.digits + end) { try MasterKey(file: $0) }
        #expect(key == (try MasterKey(hex: Self.digits)))
    }

    @Test(arguments: [
        "", "\n", digits + "\n\n", digits + "\r\n", digits + " \n", " " + digits, String(digits.dropLast(2)),
        digits.dropLast() + "\n", "0x" + digits, "# my key\n" + digits, digits + "," + digits,
    ])
    func `anything else in the file is refused, and none of it is repeated`(content: String) throws {
        let error = try Self.refusal(content)
        #expect(error?.code == .invalidMasterKey)
        #expect(error.map { String(reflecting: $0).contains("0123456789abcdef") } == false)
    }

    @Test func `random bytes are no key`() throws {
        let error = try Self.refusal(String(decoding: (0..<200).map { UInt8($0 * 89 & 0x7f) }, as: UTF8.self))
        #expect(error?.code == .invalidMasterKey)
    }

    @Test func `a file longer than any key is refused`() throws {
        #expect(try Self.refusal(String(repeating: "a", count: 8194))?.code == .invalidMasterKey)
        #expect(throws: Never.self) {
            try Self.withFile(String(repeating: "a", count: 8192)) { _ = try MasterKey(file: $0) }
        }
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o620, 0o601])
    func `a file that others may touch is refused, whatever it holds`(mode: Int) throws {
        let error = try Self.refusal(Self.digits, mode: mode)
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("chmod 600") == true)
    }

    @Test func `a missing file and a folder are their own errors, and no path is repeated`() throws {
        let missing = try Self.refusal(nil)
        #expect(missing?.code == .missingMasterKey)
        let folder = try Self.withFile(nil) { path in
            #expect(throws: CacheError.self) { try MasterKey(file: String(path.dropLast("/key".count))) }
        }
        #expect(folder?.code == .invalidConfiguration)
        for error in [missing, folder] { #expect(error?.message.contains("cachekit-key-") == false) }
    }
}
