import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Testing

// Markers planted as user, password, key and value, and looked for in everything that a store says on every way to fail.
@Suite(.timeLimit(.minutes(2))) struct RedisSecretsTests {
    private static let markers = ["markeruser", "markerpassword", "markerkey", "markervalue", "markervault"]

    /// Everything said so far.
    private struct Record {
        var texts: [String] = []

        mutating func add(_ value: Any) {
            var dumped = ""
            dump(value, to: &dumped)
            texts += ["\(value)", String(reflecting: value), dumped]
        }

        /// An error, what it says, and what caused it.
        mutating func add(error: any Error) {
            var next: (any Error)? = error
            while let error = next {
                add(error)
                next = (error as? CacheError)?.cause
            }
        }

        /// Does something that fails.
        mutating func failing(
            _ name: String, with code: CacheError.Code? = nil, _ body: () async throws -> Void
        ) async {
            do {
                try await body()
                Issue.record("\(name) did not fail")
            } catch {
                add(error: error)
                if let code { #expect((error as? CacheError)?.code == code, "\(name): \(error)") }
            }
        }

        func expectNoMarkers() {
            for text in texts {
                for marker in RedisSecretsTests.markers where text.contains(marker) {
                    // The text itself would show it.
                    Issue.record(
                        "\(marker) is in a text of \(text.utf8.count) bytes: \(text.replacing(marker, with: "***"))")
                }
            }
            #expect(texts.count > 20)
        }
    }

    private var key: CacheKey { get throws { try CacheKey("markerkey") } }

    private func write() throws -> RemoteWrite { try put("markerkey", Array("markervalue".utf8)) }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `nothing that a server refuses shows user, password, key or value`() async throws {
        let server = try await RedisServer.start()
        let admin = try makeStore(server.unixURL)
        _ = try await admin.command(words("ACL", "SETUSER", "markeruser", "on", ">markerpassword", "~none:*", "+@all"))
        let address = "127.0.0.1:\(server.port)"
        let log = LogRecord()
        var record = Record()
        // Redis' own text names the user and the key.
        let narrow = try makeStore("redis://markeruser:markerpassword@\(address)", log: log)
        await record.failing("a key without permission", with: .remoteAuthentication) {
            _ = try await narrow.read([key])
        }
        guard case .failed(let refusal) = try await narrow.write([try write()])[0] else {
            throw CacheError(.internalFault, "not refused")
        }
        record.add(error: refusal)
        await record.failing("a command that there is not", with: .remoteRejected) {
            _ = try await narrow.command(words("markerkey", "markervalue"))
        }
        let wrong = try makeStore("redis://markeruser:markerpasswordx@\(address)", log: log)
        await record.failing("a wrong password", with: .remoteAuthentication) { try await wrong.ping() }
        await record.failing("the same again", with: .remoteAuthentication) { try await wrong.ping() }
        let provided = try makeStore("redis://\(address)", log: log) {
            $0.credentials = { RedisCredentials(username: "markeruser", password: "markerpasswordx") }
        }
        await record.failing("a wrong password from a provider", with: .remoteAuthentication) {
            try await provided.ping()
        }
        _ = try await admin.command(words("LPUSH", "markerkey", "markervalue"))
        await record.failing("a key of another type", with: .remoteRejected) {
            _ = try await admin.command(words("GET", "markerkey"))
        }
        for store in [narrow, wrong, provided, admin] {
            record.add(store)
            record.texts += store.warnings
        }
        server.kill9()
        await record.failing("a lost connection") { _ = try await narrow.write([try write()]) }
        for _ in 0..<5 { await record.failing("an open breaker") { _ = try await narrow.write([try write()]) } }
        await narrow.close()
        await record.failing("a closed store", with: .shutdown) { _ = try await narrow.write([try write()]) }
        #expect(!log.lines.isEmpty)
        record.texts += log.lines
        record.expectNoMarkers()
    }

    @Test func `nothing that a bad server or network does shows them either`() async throws {
        let log = LogRecord()
        var record = Record()
        func store(
            _ server: ScriptedServer, _ change: (inout RedisConfiguration) -> Void = { _ in }
        ) throws -> RedisStore {
            try makeStore("redis://markeruser:markerpassword@127.0.0.1:\(server.port)", log: log) {
                $0.commandTimeout = .milliseconds(50)
                change(&$0)
            }
        }
        let echoes = ["-ERR markerkey markeruser\r\n", "-markerkey markervalue\r\n", "+markervalue\r\n", "markerkey"]
        for echo in echoes {
            let server = try ScriptedServer { peer in
                peer.logIn()
                while peer.command() != nil { peer.send(echo) }
            }
            defer { server.stop() }
            let echoing = try store(server)
            await record.failing("an echo: \(echo)") { _ = try await echoing.read([key]) }
            if echo.hasPrefix("-") {
                for result in try await echoing.write([try write()]) { record.add(result) }
            }
            record.texts += echoing.warnings
            let refusing = try ScriptedServer { peer in
                while peer.command() != nil { peer.send(echo) }
            }
            defer { refusing.stop() }
            if !echo.hasPrefix("+") {
                await record.failing("a login: \(echo)") { try await self.ping(try store(refusing)) }
            }
        }
        let silent = try ScriptedServer { peer in
            peer.logIn()
            _ = peer.isClosedByClient()
        }
        defer { silent.stop() }
        await record.failing("silence", with: .remoteTimeout) { _ = try await store(silent).write([try write()]) }
        let narrow = try store(silent) { $0.commandTimeout = .seconds(60) }
        let abandoned = Task { try await narrow.write([try write()]) }
        abandoned.cancel()
        await record.failing("a cancelled call", with: .cancelled) { _ = try await abandoned.value }
        let failing = try store(silent) { $0.credentials = { throw VaultError(text: "markervault markerpassword") } }
        await record.failing("a provider that fails", with: .remoteAuthentication) { try await failing.ping() }
        for host in ["169.254.169.254", "host.invalid"] {
            let store = try makeStore("redis://markeruser:markerpassword@\(host):1", log: log) {
                $0.connectTimeout = .seconds(2)
            }
            await record.failing(host) { try await store.ping() }
        }
        for url in [
            "redis://markeruser:markerpassword@h:x", "redis://markeruser:markerpassword@h/0?markerkey=markervalue",
            "redis://markeruser:markerpassword@h/x", "markerpassword", "redis://markeruser@h",
            "redis://:%markerpassword@h",
            "redis+unix://markeruser:markerpassword@h", "redis+sentinel://markeruser:markerpassword@h",
            "redis+cluster://markeruser:markerpassword@h/1", "markerpassword://h",
        ] {
            await record.failing(url.replacing("marker", with: "")) { _ = try RedisURL(url) }
            record.add(RedisConfiguration(url))
        }
        #expect(!log.lines.isEmpty)
        record.texts += log.lines
        record.expectNoMarkers()
    }

    private func ping(_ store: RedisStore) async throws { try await store.ping() }

    private struct VaultError: Error {
        var text: String
    }
}
