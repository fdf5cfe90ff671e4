import CacheKitTesting
import Foundation
import Testing

/// The command over TLS.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct RedisTLSCommandTests {
    @Test func `an authority and a client certificate are given by options or variables`() async throws {
        let authority = try TestAuthority()
        let server = try await RedisServer.start(
            security: RedisServer.Security(authority, requiresClientCertificate: true))
        defer { server.stop() }
        let client = try authority.issue(names: nil)
        var tool = try CommandLineTool()
        defer { tool.remove() }
        tool.environment["CACHEKIT_REDIS_URL"] = "rediss://localhost:\(server.port)"
        for (name, bytes) in [("ca", authority.certificate), ("cert", client.certificate), ("key", client.key)] {
            try Data(bytes).write(to: tool.folder.appending(path: name))
        }
        _ = try await tool.run("set", "a", "1", environment: ["CACHEKIT_REDIS_URL": nil])
        // Nobody vouches for it, then nobody vouches for us.
        #expect(try await tool.run("sync", "push").status == 7)
        let stranger = try await tool.run("sync", "push", "--redis-ca", "ca")
        #expect(stranger.status == 7)
        #expect(stranger.errorLines.count == 1 && stranger.errors.contains("client certificate"), "\(stranger.errors)")
        let known = try await tool.run(
            "sync", "push", "--redis-ca", "ca", "--redis-cert", "cert", "--redis-key", "key")
        #expect(known.status == 0, "\(known.errors)")
        let variables = [
            "CACHEKIT_REDIS_CA": "ca", "CACHEKIT_REDIS_CERT": "cert", "CACHEKIT_REDIS_KEY": "key",
            "CACHEKIT_DATABASE": nil,
        ]
        #expect(try await tool.run("get", "a", environment: variables).output == "1\n")
        for half in [
            ["--redis-cert", "cert"], ["--redis-ca", "hunter2"], ["--redis-ca", "cert", "--redis-key", "key"],
        ] {
            let outcome = try await tool.run(["sync", "push"] + half, bytes: Data())
            #expect(outcome.status == 2, "\(outcome.errors)")
            #expect(outcome.errorLines.count == 1 && !outcome.errors.contains("hunter2"), "\(outcome.errors)")
        }
    }

    @Test func `TLS settings beside a plain address are refused`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let outcome = try await tool.run("sync", "push", "--redis", server.url, "--redis-ca", "ca")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("rediss://"), "\(outcome.errors)")
    }
}
