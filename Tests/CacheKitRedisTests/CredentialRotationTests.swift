import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Synchronization
import Testing

// Passwords that change while a store is in use.
@Suite(
    .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct CredentialRotationTests {
    /// Where credentials come from, and how often that was asked.
    private final class Vault: Sendable {
        private let state: Mutex<(password: String, asked: Int)>

        init(_ password: String) { state = Mutex((password, 0)) }

        var asked: Int { state.withLock { $0.asked } }

        func rotate(to password: String) { state.withLock { $0.password = password } }

        func credentials() -> RedisCredentials {
            state.withLock { state in
                state.asked += 1
                return RedisCredentials(username: "app", password: state.password)
            }
        }
    }

    private func server(_ vault: Vault) async throws -> (RedisServer, admin: RedisStore, store: RedisStore) {
        let server = try await RedisServer.start(["--user", "app", "on", ">one", "~*", "+@all"])
        let store = try makeStore("redis://127.0.0.1:\(server.port)") {
            $0.credentials = { vault.credentials() }
        }
        return (server, try makeStore(server.unixURL), store)
    }

    @Test func `a new password takes effect with the next connection, and nobody notices`() async throws {
        let vault = Vault("one")
        let (server, admin, store) = try await server(vault)
        defer { server.stop() }
        _ = try await store.write([try put("k", [1])])
        var current = "one"
        for next in ["two", "three", "four"] {
            _ = try await admin.command(words("ACL", "SETUSER", "app", ">\(next)", "<\(current)"))
            vault.rotate(to: next)
            current = next
            // The connection that there is stays authenticated.
            #expect(try await store.read([try CacheKey("k")])[0]?.value == [1])
            let asked = vault.asked
            _ = try await admin.command(words("CLIENT", "KILL", "USER", "app"))
            #expect(try await store.read([try CacheKey("k")])[0]?.value == [1])
            #expect(vault.asked == asked + 1)
        }
        #expect(vault.asked == 4)
    }

    @Test func `a password that is not known yet is an authentication error, and asked for again`() async throws {
        let vault = Vault("one")
        let (server, admin, store) = try await server(vault)
        defer { server.stop() }
        _ = try await store.write([try put("k", [1])])
        _ = try await admin.command(words("ACL", "SETUSER", "app", ">two", "<one"))
        _ = try await admin.command(words("CLIENT", "KILL", "USER", "app"))
        #expect(
            await eventually { await code { _ = try await store.read([try CacheKey("k")]) } == .remoteAuthentication })
        let (asked, refused) = (vault.asked, ContinuousClock.now)
        // Refused at once, without a try each: that could lock the user out.
        for _ in 0..<100 {
            #expect(await code { _ = try await store.read([try CacheKey("k")]) } == .remoteAuthentication)
        }
        #expect(vault.asked == asked)
        vault.rotate(to: "two")
        #expect(await eventually { (try? await store.read([try CacheKey("k")])[0]?.value) == [1] })
        #expect(ContinuousClock.now - refused >= .milliseconds(500))
        #expect(vault.asked == asked + 1)
        #expect(store.warnings.isEmpty)
    }

    @Test func `a user that is taken away and given back is refused in between`() async throws {
        let vault = Vault("one")
        let (server, admin, store) = try await server(vault)
        defer { server.stop() }
        try await store.ping()
        // Redis ends the connections of a user that it deletes.
        _ = try await admin.command(words("ACL", "DELUSER", "app"))
        #expect(await eventually { await code { try await store.ping() } == .remoteAuthentication })
        _ = try await admin.command(words("ACL", "SETUSER", "app", "on", ">one", "~*", "+@all"))
        #expect(await eventually { await code { try await store.ping() } == nil })
    }

    @Test func `both connections of a server ask for the credentials of their own`() async throws {
        let vault = Vault("one")
        let (server, admin, store) = try await server(vault)
        defer { server.stop() }
        let large = [UInt8](repeating: 7, count: 1 << 20)
        _ = try await store.write([try put("small", [1])])
        _ = try await store.write([try put("large", large)])
        #expect(vault.asked == 2)
        _ = try await admin.command(words("ACL", "SETUSER", "app", ">two", "<one"))
        vault.rotate(to: "two")
        _ = try await admin.command(words("CLIENT", "KILL", "USER", "app"))
        #expect(
            await eventually {
                guard case .applied? = try? await store.write([try put("large", large)])[0] else { return false }
                return true
            })
        #expect(try await store.read([try CacheKey("large")])[0]?.value == large)
        #expect(vault.asked == 4)
    }
}
