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
}
