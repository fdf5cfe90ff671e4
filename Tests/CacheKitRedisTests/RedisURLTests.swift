import CacheKit
import CacheKitCore
import Foundation
import Testing

@testable import CacheKitRedis

@Suite struct RedisURLTests {
    @Test func `host, port, database, user and password are read and decoded`() throws {
        let url = try RedisURL("redis://us%65r:p%40ss%3Aw%2Ford@cache.internal:7000/5")
        #expect(url.endpoints == [.tcp(host: "cache.internal", port: 7000)])
        #expect(url.database == 5)
        #expect(url.credentials?.username == "user")
        #expect(url.credentials?.password == "p@ss:w/ord")
    }

    @Test func `port and database have defaults`() throws {
        let url = try RedisURL("REDIS://localhost")
        #expect(url.endpoints == [.tcp(host: "localhost", port: 6379)])
        #expect(url.database == 0)
        #expect(url.credentials == nil)
    }

    @Test func `a password without a user is for the default user`() throws {
        let credentials = try #require(try RedisURL("redis://:secret@h").credentials)
        #expect(credentials.username == nil)
        #expect(credentials.password == "secret")
    }

    @Test func `an IPv6 address stands in brackets`() throws {
        #expect(try RedisURL("redis://[::1]:7000").endpoints == [.tcp(host: "::1", port: 7000)])
        #expect(try RedisURL("redis://[2001:db8::1]").endpoints == [.tcp(host: "2001:db8::1", port: 6379)])
    }

    @Test func `a unix socket has a path and a database`() throws {
        for scheme in ["redis+unix", "unix"] {
            let url = try RedisURL("\(scheme)://u:p@/run/my%20redis.sock?db=3")
            #expect(url.endpoints == [.unix(path: "/run/my redis.sock")])
            #expect(url.database == 3)
            #expect(url.credentials?.username == "u")
        }
    }

    @Test(arguments: [
        "", "localhost", "redis:/host", "http://host", "redis://", "redis://:6379", "redis://host:0",
        "redis://host:65536", "redis://host:+1", "redis://host:port", "redis://host:", "redis://host/-1",
        "redis://host/x", "redis://host/0/1", "redis://host/99999999999999999999", "redis://host?ssl=1",
        "redis://host/1?db=2", "redis://host?db=1&db=1", "redis://host?db", "redis://::1", "redis://[::1",
        "redis://[::1]x", "redis://[host]", "redis://user@host", "redis://:@host", "redis://host#f",
        "redis://ho%st", "redis://u:%ff@host", "redis://ho st", "redis://a%00b", "redis+unix://host/path",
        "redis+unix://", "redis+unix:///", "redis+unix:///p?x=1", "unix:///p%00q",
        "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h/a%20b", "redis+sentinel://h,/m",
        "redis+sentinel://h/m/x", "redis+sentinel://h/m?db=1", "redis+cluster://h/0", "redis+cluster://h?db=1",
        "redis+cluster://h,,i", "redis+cluster://",
    ])
    func `a malformed URL is refused`(_ text: String) {
        let error = #expect(throws: CacheError.self) { try RedisURL(text) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test func `every seed of the fuzzer is an address or refused`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fuzz/Corpus/FuzzRedisURL")
        let seeds = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(seeds.count >= 10)
        var refused = 0
        for seed in seeds {
            let text = String(decoding: try Data(contentsOf: folder.appending(path: seed)), as: UTF8.self)
            do throws(CacheError) {
                _ = try RedisURL(text)
            } catch {
                #expect(error.code == .invalidConfiguration)
                refused += 1
            }
        }
        #expect((1..<seeds.count).contains(refused))
    }

    @Test func `unknown parameters are passed over where that is allowed, and known ones are read`() throws {
        let allowed = try RedisURL("redis://h?socket_timeout=5&db=3&retry", allowsUnknownParameters: true)
        #expect(allowed.database == 3)
        #expect(try RedisURL("redis+unix:///p?x=1", allowsUnknownParameters: true).database == 0)
        for url in ["redis+sentinel://h/m?x=1", "redis+cluster://h?x=1"] {
            #expect(try RedisURL(url, allowsUnknownParameters: true).endpoints.count == 1)
            #expect(throws: CacheError.self) { try RedisURL(url) }
        }
        for url in ["redis://h?db", "redis://h?db=x&y=1", "redis+cluster://h?db=1", "redis+sentinel://h/m?db=1"] {
            #expect(throws: CacheError.self) { try RedisURL(url, allowsUnknownParameters: true) }
        }
        #expect(throws: CacheError.self) { try RedisStore(RedisConfiguration("redis://h?x=1"), context: .forTests()) }
        _ = try RedisStore(RedisConfiguration("redis://h?x=1", allowsUnknownParameters: true), context: .forTests())
    }

    @Test func `rediss means TLS, in every topology`() throws {
        for scheme in ["rediss://h", "rediss+sentinel://h/m", "rediss+cluster://h"] {
            #expect(try RedisURL(scheme).usesTLS)
            #expect(try !RedisURL(scheme.replacing("rediss", with: "redis")).usesTLS)
        }
    }

    @Test func `sentinels have a master's name and a database`() throws {
        let url = try RedisURL("redis+sentinel://u:p@a,b:5000,[::1]/my%2Dmaster/3")
        #expect(url.topology == .sentinel(master: "my-master"))
        #expect(
            url.endpoints == [
                .tcp(host: "a", port: 26379), .tcp(host: "b", port: 5000), .tcp(host: "::1", port: 26379),
            ])
        #expect(url.database == 3)
        #expect(url.credentials?.username == "u")
        #expect("\(url)" == "redis+sentinel://***@a:26379,b:5000,[::1]:26379/my-master/3")
    }

    @Test func `some nodes of a Cluster stand for it`() throws {
        let url = try RedisURL("redis+cluster://:p@a:7000,b")
        #expect(url.topology == .cluster)
        #expect(url.endpoints == [.tcp(host: "a", port: 7000), .tcp(host: "b", port: 6379)])
        #expect("\(url)" == "redis+cluster://***@a:7000,b:6379")
    }

    @Test func `nothing shows user or password`() throws {
        let configuration = RedisConfiguration("redis://someuser:hunter2@host:1/2")
        let url = try RedisURL("redis://someuser:hunter2@host:1/2")
        var dumped = ""
        dump(configuration, to: &dumped)
        dump(url, to: &dumped)
        dump(url.credentials, to: &dumped)
        for text in [
            "\(configuration)", String(reflecting: configuration), "\(url)", String(reflecting: url),
            "\(url.credentials as Any)", dumped,
        ] {
            #expect(!text.contains("someuser"))
            #expect(!text.contains("hunter2"))
        }
        let error = try #require(throws: CacheError.self) { try RedisURL("redis://someuser:hunter2@host:x") }
        #expect(!error.message.contains("hunter2"))
    }

    @Test func `a bad URL surfaces when the store is opened`() async throws {
        let error = await #expect(throws: CacheError.self) {
            _ = try await RedisConfiguration.redis("redis://host:x").openRemoteStore(.forTests())
        }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test func `a value out of bounds is refused`() async throws {
        var configuration = RedisConfiguration("redis://host")
        configuration.commandTimeout = .zero
        let error = #expect(throws: CacheError.self) { try RedisStore(configuration, context: .forTests()) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test(arguments: ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "2852039166"])
    func `a link-local or metadata address is refused`(_ host: String) async throws {
        let store = try RedisStore(RedisConfiguration("redis://\(host):1"), context: .forTests())
        let error = await #expect(throws: CacheError.self) { try await store.ping() }
        #expect(error?.code == .invalidConfiguration)
        await store.close()
    }

    // Not at a metadata address: a test has no business there.
    @Test(arguments: ["169.254.83.107", "[fe80::5362:1]"])
    func `a link-local address that is allowed is a network like any other`(_ host: String) async throws {
        let store = try makeStore("redis://\(host):1") {
            $0.allowsLinkLocal = true
            $0.connectTimeout = .milliseconds(200)
        }
        // What is there, or not, is the network's affair.
        #expect(await code { try await store.ping() } != .invalidConfiguration)
    }
}
