import CacheKit
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

/// The whole way on real tiers: typed value, sealed bytes, memory, an encrypted SQLite file, Redis, and back.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct AllTiersTests {
    struct User: Codable, Sendable, Equatable {
        var id: Int
        var name: String
        var joined: Date
    }

    static let ada = User(id: 42, name: "Ada", joined: Date(timeIntervalSince1970: 1_700_000_000.25))

    private func secure() throws -> Encryption {
        .secure(key: .key(try MasterKey(bytes: [UInt8](repeating: 7, count: 32))))
    }

    private func withScratch<Result>(_ body: (String, RedisServer) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await RedisServer.start()
        defer { server.stop() }
        return try await body(folder.appending(path: "cache.db").path, server)
    }

    /// Waits for something that another task or process brings about.
    private func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func `a value goes through every tier and another node reads it from Redis`() async throws {
        try await withScratch { path, server in
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(), encryption: secure())
            let users = cache.namespace("users", of: User.self, ttl: .seconds(600))
            try await cache.running {
                try await users.set(Self.ada, for: "42")
                #expect(try await users.get("42") == Self.ada)
                try await users.set(Self.ada, for: "43")
                try await users.delete("43")
            }
            let other = try await Cache(remote: .redis(server.unixURL), encryption: secure())
            let theirs = other.namespace("users", of: User.self, ttl: .seconds(600))
            #expect(try await theirs.get("42") == Self.ada)
            #expect(try await theirs.get("43") == nil)
            await other.shutdown()
        }
    }

    @Test func `writes made while Redis is away arrive when it is back`() async throws {
        try await withScratch { path, server in
            server.kill9()
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(), encryption: secure())
            let numbers = cache.namespace("n", of: Int.self)
            try await cache.running {
                for number in 0..<500 { try await numbers.set(number, for: "\(number)") }
                // Redis being away is a miss, not an error.
                #expect(try await numbers.get("unknown") == nil)
                #expect(try await numbers.get("7") == 7)
                try await server.restart()
                // Counted just after they are durable: an empty backlog alone is too early to look.
                try await eventually("the push") { try await cache.syncStatus()?.outcomes.applied == 500 }
                #expect(try await cache.syncStatus()?.backlog.changes == 0)
            }
            let other = try await Cache(remote: .redis(server.url), encryption: secure())
            let theirs = other.namespace("n", of: Int.self)
            #expect(try await theirs.get((0..<500).map(String.init)).count == 500)
            await other.shutdown()
        }
    }

    @Test func `a file goes on where the last process stopped`() async throws {
        try await withScratch { path, server in
            for round in 0..<3 {
                let cache = try await Cache(local: .sqlite(path: path), encryption: secure())
                let numbers = cache.namespace("n", of: Int.self)
                for index in 0..<50 { try await numbers.set(round, for: "\(round)-\(index)") }
                await cache.shutdown()
            }
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(), encryption: secure())
            let status = try #require(await cache.push(deadline: .seconds(20)))
            #expect(status.backlog.changes == 0)
            #expect(status.outcomes.applied == 150)
            await cache.shutdown()
        }
    }

    @Test func `two processes on one file hear of each other within the interval`() async throws {
        try await withScratch { path, _ in
            let first = try await Cache(local: .sqlite(path: path), encryption: secure())
            let second = try await Cache(local: .sqlite(path: path), encryption: secure())
            let (mine, theirs) = (first.namespace("n", of: Int.self), second.namespace("n", of: Int.self))
            try await first.running {
                try await mine.set(1, for: "a")
                #expect(try await mine.get("a") == 1)
                try await theirs.set(2, for: "a")
                try await eventually("the other's value") { try await mine.get("a") == 2 }
                try await theirs.delete("a")
                try await eventually("the other's delete") { try await mine.get("a") == nil }
            }
            await second.shutdown()
        }
    }

    @Test func `what Redis holds fills the tiers above with what is left of its life`() async throws {
        try await withScratch { path, server in
            let writer = try await Cache(remote: .redis(server.url), encryption: secure())
            try await writer.bytes.set([1, 2, 3], for: "k", ttl: .seconds(100))
            await writer.shutdown()
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(), encryption: secure())
            #expect(try await cache.bytes.get("k") == [1, 2, 3])
            let entry = try #require(try await cache.localEntries(after: .zero, limit: 10).first)
            #expect(entry.origin == .remote)
            let left = SystemClock().now().duration(to: entry.expiresAt)
            #expect(left > .seconds(80) && left <= .seconds(100))
            // Now Redis may go: the file has it, and nothing waits to be sent.
            server.kill9()
            #expect(try await cache.bytes.get("k") == [1, 2, 3])
            #expect(try await cache.syncStatus()?.backlog.changes == 0)
            await cache.shutdown(deadline: .zero)
        }
    }

    @Test func `one load for a thousand callers, and its value is in Redis`() async throws {
        try await withScratch { path, server in
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(), encryption: secure())
            let users = cache.namespace("users", of: User.self)
            try await cache.running {
                try await withThrowingTaskGroup(of: User.self) { group in
                    for _ in 0..<1000 {
                        group.addTask { try await users.getOrSet("42") { Self.ada } }
                    }
                    for try await user in group { #expect(user == Self.ada) }
                }
            }
            #expect(cache.statistics().loads == 1)
        }
    }

    @Test func `a wrong key or tenant is an error, a refused password too`() async throws {
        try await withScratch { _, server in
            let writer = try await Cache(remote: .redis(server.url), encryption: secure())
            try await writer.bytes.set([1], for: "k")
            await writer.shutdown()

            var configuration = CacheConfiguration()
            configuration.tenant = "somebody-else"
            let stranger = try await Cache(
                remote: .redis(server.url), encryption: secure(), configuration: configuration)
            let refusal = await #expect(throws: CacheError.self) { try await stranger.bytes.get("k") }
            #expect(refusal?.code == .authenticationFailed)
            await stranger.shutdown()

            let guest = try await Cache(
                remote: .redis(server.url.replacing("redis://", with: "redis://:secret@")), encryption: secure())
            let error = await #expect(throws: CacheError.self) { try await guest.bytes.get("k") }
            #expect(error?.code == .remoteAuthentication)
            #expect(error.map { !"\($0) \(String(reflecting: $0))".contains("secret") } == true)
            await guest.shutdown()
        }
    }

    @Test func `plain values are readable in Redis and sealed in the file`() async throws {
        try await withScratch { path, server in
            let key = KeySource.key(try MasterKey(bytes: [UInt8](repeating: 7, count: 32)))
            let cache = try await Cache(
                local: .sqlite(path: path), remote: .redis(server.url), sync: .writeBehind(),
                encryption: .plain(fileKey: key))
            let texts = cache.namespace("texts", of: String.self, mode: .interop)
            try await cache.running { try await texts.set("a plain marker", for: "1") }
            let reader = try await Cache(remote: .redis(server.url), encryption: .plain)
            #expect(try await reader.namespace("texts", of: String.self, mode: .interop).get("1") == "a plain marker")
            await reader.shutdown()
            let file = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(file.range(of: Data("a plain marker".utf8)) == nil)
            #expect(file.range(of: Data("texts".utf8)) == nil)
        }
    }
}
