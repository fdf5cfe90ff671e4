import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

/// Commands beside a service that removes whole namespaces.
struct RemovedNamespaceTests {
    private func service(_ tool: CommandLineTool) async throws -> Cache {
        try await Cache(
            local: .sqlite(path: tool.path("cache.db")),
            encryption: .secure(key: .key(MasterKey(hex: CommandLineTool.key))))
    }

    @Test func `what a service removed is no entry, and what is written after that is one for both`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        var cache = try await service(tool)
        try await cache.namespace("users", of: String.self).set("Ada", for: "1")
        try await cache.namespace("users", of: String.self).set("Bo", for: "2")
        #expect(try await tool.run("get", "users:1").output == "\"Ada\"\n")
        try await cache.namespace("users", of: String.self).removeAll()
        await cache.shutdown()
        #expect(try await tool.run("get", "users:1").status == 3)
        #expect(try await tool.run("get", "1", "--namespace", "users").status == 3)
        #expect(try await tool.run("set", "users:1", #""Eve""#).status == 0)
        #expect(try await tool.run("import", "-", input: #"{"key": "users:3", "value": "Cy"}"#).status == 0)
        #expect(try await tool.run("get", "users:1").output == "\"Eve\"\n")
        cache = try await service(tool)
        let users = cache.namespace("users", of: String.self)
        #expect(try await users.get(["1", "2", "3"]) == ["1": "Eve", "3": "Cy"])
        await cache.shutdown()
    }

    @Test func `export and list leave out what was removed, and removals themselves`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let cache = try await service(tool)
        let users = cache.namespace("users", of: String.self)
        try await users.set("Ada", for: "1")
        try await users.set("Bo", for: "2", tags: ["team"])
        try await cache.namespace("others", of: String.self).set("Cy", for: "3")
        try await users.removeAll(tagged: "team")
        #expect(try await tool.run("list").output == "users:1\nothers:3\n")
        #expect(try await tool.run("list", "--limit", "2").output == "users:1\nothers:3\n")
        #expect(try await tool.run("list", "--removed").output == "users:1\nusers:2\nothers:3\n")
        #expect(try await exported(tool) == ["others:3", "users:1"])
        #expect(try await exported(tool, "--removed") == ["others:3", "users:1", "users:2"])
        // Written after a removal, it is there again.
        try await users.removeAll()
        try await users.set("Di", for: "4", tags: ["team"])
        #expect(try await tool.run("list").output == "others:3\nusers:4\n")
        #expect(try await exported(tool) == ["others:3", "users:4"])
        await cache.shutdown()
    }

    private func exported(_ tool: CommandLineTool, _ arguments: String...) async throws -> [String] {
        let lines = try await tool.run(["export"] + arguments, bytes: Data()).output.split(separator: "\n")
        return try lines.map { line in
            let document = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(document?["key"] as? String)
        }.sorted()
    }
}
