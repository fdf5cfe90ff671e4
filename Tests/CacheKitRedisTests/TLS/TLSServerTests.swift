import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Testing

// A real server that speaks TLS.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct TLSServerTests {
    private let authority: TestAuthority

    init() throws {
        authority = try TestAuthority()
    }

    private func trusting(_ change: (inout RedisTLS) -> Void = { _ in }) -> (inout RedisConfiguration) -> Void {
        var tls = RedisTLS()
        tls.trust = .only(.pem(authority.certificate))
        change(&tls)
        let complete = tls
        return { $0.tls = complete }
    }

    private func identity(_ issuer: TestAuthority? = nil, _ validity: TestAuthority.Validity = .current) throws
        -> RedisTLS.Identity
    {
        let issued = try (issuer ?? authority).issue(names: nil, validity: validity)
        return RedisTLS.Identity(
            certificates: .pem(issued.certificate),
            privateKey: .pem(try issued.key.withUnsafeBytes { try SecretBytes(copying: $0) }))
    }

    private func failure(_ url: String, _ change: (inout RedisConfiguration) -> Void) async -> CacheError? {
        do {
            try await makeStore(url, change).ping()
            return nil
        } catch {
            return error
        }
    }

    @Test func `values of several megabytes go both ways, with a client certificate and an ACL user`() async throws {
        let server = try await RedisServer.start(
            ["--user", "app", "on", ">s3cret", "~*", "+@all", "--user", "default", "off"],
            security: RedisServer.Security(authority, requiresClientCertificate: true))
        let client = try identity()
        let store = try makeStore("rediss://app:s3cret@localhost:\(server.port)", trusting { $0.identity = client })
        let large = (0..<9 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 9) }
        let values: [[UInt8]] = [[], Array(0...255), large, Array(repeating: 7, count: 16 << 10)]
        let keys = try values.indices.map { try CacheKey("k\($0)") }
        let written = try await store.write(
            zip(keys, values).map { RemoteWrite(key: $0, action: .put($1, timeToLive: .seconds(60))) })
        #expect(written.count == values.count)
        #expect(try await store.read(keys).map { $0?.value } == values)
        #expect(
            await failure("rediss://app:wrong@localhost:\(server.port)", trusting { $0.identity = client })?.code
                == .remoteAuthentication)
        await store.close()
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"])
    func `sixty-four tasks get their own replies`(version: String) async throws {
        let server = try await RedisServer.start(
            ["--tls-protocols", version], security: RedisServer.Security(authority))
        let store = try makeStore(server.url, trusting())
        let values = (0..<64).map { task in
            (0..<20_000 + task).map { UInt8(truncatingIfNeeded: $0 &* (task + 3)) }
        }
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for (task, value) in values.enumerated() {
                group.addTask {
                    var wrong = 0
                    for round in 0..<20 {
                        let key = "t\(task).\(round)"
                        _ = try await store.write([try put(key, value)])
                        if try await store.read([try CacheKey(key)])[0]?.value != value { wrong += 1 }
                    }
                    return wrong
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    @Test func `thousands of values are read in one call`() async throws {
        let server = try await RedisServer.start(security: RedisServer.Security(authority))
        let store = try makeStore(server.url, trusting())
        let values = (0..<3000).map { number in [UInt8](repeating: UInt8(number & 255), count: 1000 + number) }
        let keys = try values.indices.map { try CacheKey("k\($0)") }
        _ = try await store.write(
            zip(keys, values).map { RemoteWrite(key: $0, action: .put($1, timeToLive: .seconds(60))) })
        #expect(try await store.read(keys).map { $0?.value } == values)
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"])
    func `a server that asks for a client certificate says so, and refuses a stranger's`(version: String) async throws {
        let server = try await RedisServer.start(
            ["--tls-protocols", version],
            security: RedisServer.Security(authority, requiresClientCertificate: true))
        // What the server said last must not be lost to the reset that follows it.
        for _ in 0..<10 {
            let missing = try #require(await failure(server.url, trusting()))
            #expect(missing.code == .remoteAuthentication)
            #expect(missing.message.contains("asks for a client certificate"), "\(missing)")
        }
        let others = try TestAuthority(name: "another")
        for wrong in [try identity(others), try identity(nil, .expired)] {
            let refused = try #require(await failure(server.url, trusting { $0.identity = wrong }))
            #expect(refused.code == .remoteAuthentication)
            #expect(refused.message.contains("does not accept the client certificate"), "\(refused)")
        }
        let right = try identity()
        #expect(await failure(server.url, trusting { $0.identity = right }) == nil)
    }

    private struct Refusal: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var names = "DNS:localhost,IP:127.0.0.1"
        var subject = "test"
        var validity = TestAuthority.Validity.current
        var isTrusted = true
        var host = "localhost"
        var words: String
    }

    private static let refusals = [
        Refusal(testDescription: "unknown authority", isTrusted: false, words: "not signed by an authority"),
        Refusal(testDescription: "another name", names: "DNS:example.com", words: "another name"),
        Refusal(testDescription: "another address", names: "IP:127.0.0.2", host: "127.0.0.1", words: "another name"),
        Refusal(
            testDescription: "an address as a name", names: "DNS:127.0.0.1", host: "127.0.0.1", words: "another name"),
        Refusal(
            testDescription: "the name in the subject only", names: "DNS:example.com", subject: "localhost",
            words: "another name"),
        Refusal(testDescription: "expired", validity: .expired, words: "expired"),
        Refusal(testDescription: "not valid yet", validity: .later, words: "not valid yet"),
    ]

    @Test(arguments: refusals)
    private func `a certificate that is not right is refused, unless nothing is verified`(_ wrong: Refusal) async throws
    {
        let signer = wrong.isTrusted ? authority : try TestAuthority(name: "another")
        let issued = try signer.issue(names: wrong.names, subject: wrong.subject, validity: wrong.validity)
        let server = try await RedisServer.start(security: RedisServer.Security(authority, identity: issued))
        let url = "rediss://:hunter2@\(wrong.host):\(server.port)"
        let error = try #require(await failure(url, trusting()))
        #expect(error.code == .remoteAuthentication)
        #expect(error.message.contains(wrong.words), "\(error)")
        for secret in ["hunter2", server.folder, "BEGIN", "example.com"] { #expect(!"\(error)".contains(secret)) }
        // The system's authorities have never heard of this one.
        #expect(await failure(url, { _ in })?.code == .remoteAuthentication)
        let open = try makeStore(
            "rediss://\(wrong.host):\(server.port)", trusting { $0.verification = .dangerouslyDisabled })
        try await open.ping()
    }

    @Test func `a server is known by its IP address, or by a name that is given`() async throws {
        let server = try await RedisServer.start(
            security: RedisServer.Security(authority, identity: authority.issue(names: "DNS:redis.internal")))
        #expect(await failure(server.url, trusting())?.code == .remoteAuthentication)
        try await makeStore(server.url, trusting { $0.serverName = "redis.internal" }).ping()
        #expect(
            await failure(server.url, trusting { $0.serverName = "redis.external" })?.code == .remoteAuthentication)
        let other = try await RedisServer.start(
            security: RedisServer.Security(authority, identity: authority.issue(names: "IP:127.0.0.1")))
        try await makeStore(other.url, trusting()).ping()
    }

    @Test func `a port without TLS and one with it are told apart`() async throws {
        let plain = try await RedisServer.start()
        let store = try makeStore("rediss://127.0.0.1:\(plain.port)") {
            trusting()(&$0)
            $0.connectTimeout = .seconds(2)
        }
        let silent = try #require(await #expect(throws: CacheError.self) { try await store.ping() })
        #expect(silent.code == .remoteTimeout)
        #expect(silent.message.contains("did not answer the TLS handshake; if its port is no TLS port"), "\(silent)")
        // A whole deadline of silence is enough to open the breaker: the next caller does not wait as long.
        #expect(store.warnings.count == 1)
        let server = try await RedisServer.start(security: RedisServer.Security(authority))
        let closed = try #require(await failure("redis://127.0.0.1:\(server.port)", { _ in }))
        #expect(closed.code == .remoteUnavailable)
        #expect(closed.message.contains("rediss://"), "\(closed)")
    }

    @Test func `only versions that both sides allow are spoken`() async throws {
        let server = try await RedisServer.start(
            ["--tls-protocols", "TLSv1.2"], security: RedisServer.Security(authority))
        let error = try #require(await failure(server.url, trusting { $0.minimumVersion = .tls13 }))
        #expect(error.code == .remoteUnavailable)
        #expect(error.message.contains("no version of TLS"), "\(error)")
        #expect(await failure(server.url, trusting()) == nil)
    }

    @Test func `a connection that the server ends is replaced, and one killed under writes leaves no doubt`()
        async throws
    {
        let server = try await RedisServer.start(security: RedisServer.Security(authority))
        let store = try makeStore(server.url, trusting())
        let observer = try makeStore(server.unixURL)
        for _ in 0..<10 {
            try await store.ping()
            _ = try await observer.command(words("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
            #expect(try await store.read([try CacheKey("absent")]) == [nil])
        }
        // Writes are on their way all the time while the server goes.
        let writing = Task {
            var codes: Set<String> = []
            for number in 0..<100_000 {
                do {
                    _ = try await store.write([try put("w\(number % 100)", Array(repeating: 1, count: 300_000))])
                } catch {
                    codes.insert((error as? CacheError)?.code.description ?? "another error")
                    return codes
                }
            }
            return codes
        }
        let key = try CacheKey("w20")
        #expect(await eventually { (try? await observer.contains([key])) == [true] })
        server.kill9()
        let codes = await writing.value
        #expect(codes.isSubset(of: ["mayHaveBeenApplied", "remoteUnavailable"]), "\(codes)")
        #expect(codes.count == 1)
        try await server.restart()
        #expect(await eventually { await code { try await store.ping() } == nil })
    }
}
