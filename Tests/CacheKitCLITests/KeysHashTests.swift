import CacheKit
import Testing

/// `keys hash`: from a line of a log to the key that it is about.
struct KeysHashTests {
    @Test func `a hash is that of the library, for arguments and for lines`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let hasher = try KeyHasher(master: MasterKey(hex: CommandLineTool.key), tenant: "default")
        let hashes = try ["users:42", "logo"].map { "\(hasher.hash(try CacheKey($0))) \($0)" }
        #expect(try await tool.run("keys", "hash", "users:42", "logo").outputLines.map(String.init) == hashes)
        #expect(try await tool.run("keys", "hash", "--namespace", "users", "42").output == hashes[0] + "\n")
        _ = try await tool.run("set", "users:42", "1")
        _ = try await tool.run("set", "logo", "2")
        let found = try await tool.shell("cachekit list | cachekit keys hash | grep '\(hashes[1].prefix(13))'")
        #expect(found.output == hashes[1] + "\n")
        let other = try await tool.run("keys", "hash", "--tenant", "acme", "logo").output
        #expect(other.hasSuffix(" logo\n") && other != hashes[1] + "\n")
    }

    @Test func `without a master key it says so`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.run("keys", "hash", "k", environment: ["CACHEKIT_MASTER_KEY": nil])
        #expect(outcome.status == 7 && outcome.output.isEmpty)
        #expect(try await tool.run("keys", "hash", "").status == 2)
    }
}
