import CacheKit
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Synchronization
import Testing

/// Secrets are planted in everything that a cache is given, everything is run with everything that can fail, and none of them is in
/// any log line, error, description or dump.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SecretsTests {
    private let secrets = PlantedSecrets(seed: 42)
    private let testimony = Testimony()
    private let folder: Folder

    init() throws { folder = try Folder() }

    /// A folder of its own, removed at the end.
    private final class Folder: Sendable {
        let path = FileManager.default.temporaryDirectory.path + "/cachekit-secrets-" + UUID().uuidString

        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    /// A store that was opened for a cache, with what makes it fail.
    private final class Opened<Store: Sendable>: Sendable {
        private let held = Mutex<Store?>(nil)
        var store: Store? { held.withLock { $0 } }
        func keep(_ store: Store) -> Store {
            held.withLock { $0 = store }
            return store
        }
    }

    private struct File: LocalStoreProvider {
        let path: String
        let opened = Opened<FailingLocalStore<SQLiteStore>>()

        func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? {
            let store = try await SQLiteStore.open(SQLiteConfiguration(path: path), context)
            return opened.keep(FailingLocalStore(store, clock: SystemClock()))
        }
    }

    private struct Server: RemoteStoreProvider {
        let configuration: RedisConfiguration
        let opened = Opened<FailingRemoteStore<RedisStore>>()

        func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? {
            opened.keep(FailingRemoteStore(try RedisStore(configuration, context: context), clock: SystemClock()))
        }
    }

    private var configuration: CacheConfiguration { configuration(SystemClock()) }

    private func configuration(_ clock: any CacheClock) -> CacheConfiguration {
        var configuration = CacheConfiguration()
        configuration.clock = clock
        configuration.tenant = secrets.tenant
        configuration.maximumValueBytes = 10_000
        // Every read asks the tiers below.
        configuration.memory.maximumBytes = 0
        configuration.logger = testimony.logger
        return configuration
    }

    private var sync: SyncConfiguration {
        var sync = SyncConfiguration()
        sync.longestBackoff = .milliseconds(100)
        sync.attemptsPerChange = 2
        return sync
    }

    private func redis(_ server: RedisServer, password: String? = nil) -> RedisConfiguration {
        let password = password ?? secrets.password
        var redis = RedisConfiguration("redis://\(secrets.user):\(password)@127.0.0.1:\(server.port)")
        redis.commandTimeout = .milliseconds(300)
        redis.connectTimeout = .milliseconds(300)
        redis.maximumBackoff = .milliseconds(100)
        return redis
    }

    private func startServer() async throws -> RedisServer {
        let server = try await RedisServer.start()
        try #require(server.ask("ACL SETUSER \(secrets.user) on >\(secrets.password) ~* &* +@all").contains("OK"))
        return server
    }

    private func encryption(_ isSecure: Bool) throws -> Encryption {
        let source = KeySource.keyring(try secrets.keyring())
        return isSecure ? .secure(key: source) : .plain(fileKey: source)
    }

    private func everything(_ cache: Cache, _ name: String) async {
        await EveryOperation(cache: cache, secrets: secrets, testimony: testimony, name: name).run()
    }

    /// Runs a cache while a body runs, and closes it.
    private func running(_ cache: Cache, _ body: () async throws -> Void) async throws {
        let run = Task { await cache.run() }
        try await body()
        await cache.shutdown(deadline: .milliseconds(200))
        run.cancel()
        await run.value
    }

    private static let diskFailures: [SimulatedFailure] = [
        .diskFull, .inputOutput, .busy, .readOnly, .damaged, .tampered, .backPressure,
    ]
    private static let serverFailures: [SimulatedFailure] = [
        .unavailable, .timeout, .timeoutAfterEffect, .replyLost, .requestLost, .notReady, .refused, .rejected,
    ]
    private static let kinds: [StoreCalls] = [.reads, .writes, .feed, .upkeep]

    /// Whether paths that say something were taken at all.
    private func expectHeard(_ messages: String...) {
        for message in messages { #expect(testimony.lines.contains { $0.hasPrefix(message) }, "\(message)") }
    }

    @Test(arguments: [false, true]) func `memory alone says nothing`(isSecure: Bool) async throws {
        var configuration = configuration
        configuration.memory.maximumBytes = 1 << 20
        let cache = try await Cache(encryption: encryption(isSecure), configuration: configuration)
        await everything(cache, "memory")
        await cache.shutdown()
        await everything(cache, "closed")
        #expect(testimony.codes.contains(.shutdown) && testimony.codes.contains(.invalidKey))
        testimony.expectNone(of: secrets)
    }

    @Test(arguments: [false, true]) func `a file says nothing, however its disk fails`(isSecure: Bool) async throws {
        let file = File(path: folder.path + "/a.db")
        let cache = try await Cache(local: file, encryption: encryption(isSecure), configuration: configuration)
        let store = try #require(file.opened.store)
        try await running(cache) {
            await everything(cache, "a file")
            for failure in Self.diskFailures {
                for kind in Self.kinds {
                    store.setOutage(failure, on: kind)
                    await everything(cache, "\(failure.error.code)")
                    store.recover()
                }
            }
            testimony.hear("the store", store.base)
        }
        await everything(cache, "closed")
        #expect(testimony.codes.isSuperset(of: Self.diskFailures.map(\.error.code)))
        expectHeard(
            "a loaded value was not stored", "loaded values were not stored",
            "that values do not exist was not remembered")
        testimony.expectNone(of: secrets)
    }

    @Test func `a file that is not opened says nothing`() async throws {
        let path = folder.path + "/b.db"
        let cache = try await Cache(
            local: .sqlite(path: path), encryption: encryption(true), configuration: configuration)
        try await cache.namespace(secrets.namespace, of: String.self).set(secrets.value, for: secrets.key)
        await cache.shutdown()
        func refused(_ name: String, _ encryption: Encryption, _ adjust: (inout CacheConfiguration) -> Void) async {
            var configuration = configuration
            adjust(&configuration)
            do {
                let cache = try await Cache(
                    local: .sqlite(path: path), encryption: encryption, configuration: configuration)
                await everything(cache, name)
                await cache.shutdown()
            } catch {
                testimony.hear(name, error: error)
            }
            testimony.hear("the configuration", configuration)
            testimony.hear("the encryption", encryption)
        }
        await refused("another master key", .secure(key: .key(try MasterKey.generate()))) { _ in }
        await refused("another tenant", try encryption(true)) { $0.tenant = secrets.tenant + "2" }
        await refused("no tenant", try encryption(true)) { $0.tenant = String(repeating: secrets.tenant, count: 99) }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        for index in stride(from: 4_096, to: bytes.count, by: 97) { bytes[index] ^= 0x55 }
        try bytes.write(to: URL(fileURLWithPath: path))
        await refused("a damaged file", try encryption(true)) { _ in }
        try Data("no database, \(secrets.value)".utf8).write(to: URL(fileURLWithPath: path))
        await refused("no database", try encryption(true)) { _ in }
        #expect(testimony.codes.contains(.wrongMasterKey) && testimony.codes.contains(.invalidConfiguration))
        testimony.expectNone(of: secrets)
    }

    @Test func `a key that is not well formed is not repeated`() throws {
        let hex = secrets.masterKey.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        for text in [hex + "zz", "0x" + hex, hex + "0", String(hex.dropLast(2)), hex + " "] {
            do { _ = try MasterKey(hex: text) } catch { testimony.hear("a master key", error: error) }
        }
        do { _ = try MasterKey(bytes: secrets.masterKey + [1]) } catch { testimony.hear("a master key", error: error) }
        testimony.hear("a keyring", try secrets.keyring())
        #expect(testimony.count > 18)
        testimony.expectNone(of: secrets)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"), arguments: [false, true])
    func `all tiers say nothing, however the server and the way to it fail`(isSecure: Bool) async throws {
        let redisServer = try await startServer()
        defer { redisServer.stop() }
        let file = File(path: folder.path + "/c.db")
        let remote = Server(configuration: redis(redisServer))
        let cache = try await Cache(
            local: file, remote: remote, sync: .writeBehind(sync), encryption: encryption(isSecure),
            configuration: configuration)
        let server = try #require(remote.opened.store)
        try await running(cache) {
            await everything(cache, "all tiers")
            for failure in Self.serverFailures {
                for kind in Self.kinds where kind != .feed {
                    server.setOutage(failure, on: kind)
                    await everything(cache, "\(failure.error.code)")
                    server.recover()
                }
            }
            // What others wrote is no value of ours, or of another type.
            _ = redisServer.ask("SET \(secrets.namespace):\(secrets.key) \(secrets.value)")
            await everything(cache, "a foreign value")
            _ = redisServer.ask("DEL \(secrets.namespace):\(secrets.key)")
            _ = redisServer.ask("RPUSH \(secrets.namespace):\(secrets.key) \(secrets.value)")
            await everything(cache, "another type")
            _ = redisServer.ask("FLUSHALL")
            await everything(cache, "an emptied server")
            // Its texts name users and keys.
            _ = redisServer.ask("ACL SETUSER \(secrets.user) resetkeys ~none:*")
            await everything(cache, "no permission for the keys")
            redisServer.kill9()
            await everything(cache, "a dead server")
            testimony.hear("the store", server.base)
        }
        await everything(cache, "closed")
        #expect(testimony.codes.isSuperset(of: Self.serverFailures.map(\.error.code)))
        testimony.expectNone(of: secrets)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `a server without a file says nothing, nor does one that refuses the user`() async throws {
        let redisServer = try await startServer()
        defer { redisServer.stop() }
        for (name, password) in [("Redis", secrets.password), ("a wrong password", secrets.password + "x")] {
            let remote = Server(configuration: redis(redisServer, password: password))
            testimony.hear("the configuration of Redis", remote.configuration)
            let cache = try await Cache(remote: remote, encryption: encryption(true), configuration: configuration)
            try await running(cache) { await everything(cache, name) }
        }
        for url in ["redis://\(secrets.user):\(secrets.password)@:x", "http://\(secrets.user):\(secrets.password)@h"] {
            do {
                _ = try await Cache(
                    remote: .redis(url), encryption: encryption(true), configuration: configuration)
                Issue.record("a bad address was taken")
            } catch {
                testimony.hear("a bad address", error: error)
            }
        }
        #expect(testimony.codes.contains(.remoteAuthentication) && testimony.codes.contains(.invalidConfiguration))
        testimony.expectNone(of: secrets)
    }

    @Test func `a change that is refused is in the log by its hash, which the master key tells`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let master = try MasterKey(bytes: secrets.masterKey)
        let cache = try await Cache.testing(
            key: master, clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote
        ) { $0 = configuration(clock) }
        let texts = cache.namespace(secrets.namespace, of: String.self)
        let key = try texts.key(secrets.key)
        remote.refuse(key, with: SimulatedFailure.rejected.error)
        try await texts.set(secrets.value, for: secrets.key)
        for _ in 0..<5 {
            _ = await cache.push(deadline: .seconds(1), retrying: false)
            clock.advance(by: .seconds(20))
        }
        let hash = try KeyHasher(master: master, tenant: secrets.tenant).hash(key)
        #expect(hash.count == 13 && cache.logHash(of: key) == hash)
        #expect(testimony.lines.contains { $0.contains("dead letters") && $0.contains(hash) })
        remote.refuse(key, with: nil)
        await everything(cache, "a dead letter")
        testimony.expectNone(of: secrets)
    }

    @Test func `what is looked for would be found`() {
        for (name, form) in secrets.needles {
            #expect(form.count >= 10, "\(name)")
            #expect(!"a text without any of it".contains(form))
        }
        // Wherever the bytes begin: in the first, second or third place of a group of three.
        for shift in 0..<3 {
            let text = PlantedSecrets.base64(of: Array("abc".utf8.prefix(shift)) + Array(secrets.value.utf8) + [7, 8])
            #expect(secrets.needles.contains { $0.name == "value" && text.contains($0.form) })
        }
        withKnownIssue {
            testimony.hear("a test", text: "-- \(secrets.password) --")
            testimony.expectNone(of: secrets)
        }
    }
}
