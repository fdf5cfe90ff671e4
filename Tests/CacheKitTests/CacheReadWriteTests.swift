import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// What every cache does, whatever its tiers, encryption and mode.
struct CacheReadWriteTests {
    struct User: Codable, Sendable, Equatable {
        var id: Int
        var name: String
    }

    @Test(arguments: Setting.all)
    func `a value that was set is read, contained, and gone after its delete`(setting: Setting) async throws {
        let world = try await World(setting)
        let users = world.namespace("users", of: User.self)
        let ada = User(id: 42, name: "Ada")
        #expect(try await users.get("42") == nil)
        #expect(try await !users.contains("42"))
        try await users.set(ada, for: "42")
        #expect(try await users.get("42") == ada)
        #expect(try await users.contains("42"))
        try await users.set(User(id: 42, name: "Lovelace"), for: "42")
        #expect(try await users.get("42")?.name == "Lovelace")
        try await users.delete("42")
        #expect(try await users.get("42") == nil)
        #expect(try await !users.contains("42"))
        try await users.delete("42")
    }

    @Test(arguments: Setting.all)
    func `many keys at once agree with one by one`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        let values = Dictionary(uniqueKeysWithValues: (0..<200).map { ("\($0)", $0) })
        try await numbers.set(values)
        #expect(try await numbers.get(values.keys + ["missing"]) == values)
        try await numbers.delete((0..<100).map(String.init))
        #expect(try await numbers.get(Array(values.keys)).count == 100)
        #expect(try await numbers.get("150") == 150)
        #expect(try await numbers.get("50") == nil)
        #expect(try await numbers.get([]).isEmpty)
        #expect(try await numbers.contains(["150", "50", "199", "missing", "150"]) == ["150", "199"])
        #expect(try await numbers.contains([]).isEmpty)
        try await numbers.set([:])
        try await numbers.delete([])
    }

    @Test func `asking for many keys is one round trip per tier, and takes what each tier knows`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(Dictionary(uniqueKeysWithValues: (0..<50).map { ("\($0)", $0) }))
        _ = await world.cache.push(deadline: .seconds(1))
        // Deleted here, and the remote does not know it yet.
        try await numbers.delete("7")
        let other = Chosen(store: world.remote)
        let elsewhere = try await Cache(
            remote: other, encryption: .secure(key: .keyring(try World.keyring.get())),
            configuration: {
                var own = CacheConfiguration(); own.clock = world.clock; return own
            }())
        let there = elsewhere.namespace("n", of: Int.self)
        try await there.set(1, for: "remote")
        let before = world.remote.reads
        let found = try await numbers.contains((0..<60).map(String.init) + ["remote"])
        #expect(found == Set((0..<50).filter { $0 != 7 }.map(String.init) + ["remote"]))
        #expect(world.remote.reads == before + 1)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        #expect(try await numbers.contains(["1", "remote"]) == ["1"])
        world.remote.setOutage(CacheError(.remoteAuthentication, "refused"))
        #expect(await code { _ = try await numbers.contains(["1", "remote"]) } == .remoteAuthentication)
    }

    @Test(arguments: Setting.all)
    func `raw bytes and documents come back as they went in`(setting: Setting) async throws {
        let world = try await World(setting)
        let key = try CacheKey("blob")
        for count in [0, 1, 255, 256, 65_535, 65_536] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            try await world.cache.bytes.set(bytes, for: key)
            #expect(try await world.cache.bytes.get(key) == bytes)
        }
        let document = MessagePackValue.array([.nil, .bool(true), .string("é"), .bytes([1])])
        try await world.cache.documents.set(document, for: key)
        #expect(try await world.cache.documents.get(key) == document)
        #expect(await code { _ = try await world.cache.bytes.get(key) } == .decoding)
    }

    @Test(arguments: Setting.all)
    func `call, namespace and default decide how long a value lives, in this order`(setting: Setting) async throws {
        let world = try await World(setting) { $0.defaultTTL = .seconds(30) }
        let short = world.namespace("short", of: Int.self, ttl: .seconds(10))
        let plain = world.namespace("plain", of: Int.self)
        try await short.set(1, for: "namespace")
        try await short.set(1, for: "call", ttl: .seconds(20))
        try await plain.set(1, for: "default")
        world.clock.advance(by: .milliseconds(9999))
        #expect(try await short.get("namespace") == 1)
        world.clock.advance(by: .milliseconds(1))
        #expect(try await short.get("namespace") == nil)
        #expect(try await !short.contains("namespace"))
        world.clock.advance(by: .milliseconds(9999))
        #expect(try await short.get("call") == 1)
        world.clock.advance(by: .milliseconds(1))
        #expect(try await short.get("call") == nil)
        world.clock.advance(by: .milliseconds(9999))
        #expect(try await plain.get("default") == 1)
        world.clock.advance(by: .milliseconds(1))
        #expect(try await plain.get("default") == nil)
    }

    @Test func `a TTL out of range is refused and writes nothing`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        for ttl: Duration in [
            .zero, .seconds(-1), .microseconds(999), CacheConfiguration.maximumTTL + .milliseconds(1),
        ] {
            #expect(await code { try await numbers.set(1, for: "k", ttl: ttl) } == .invalidArgument)
        }
        #expect(try await world.local.lastSequence() == .zero)
        try await numbers.set(1, for: "k", ttl: .milliseconds(1))
        try await numbers.set(1, for: "k", ttl: CacheConfiguration.maximumTTL)
    }

    @Test func `keys that are empty, over-long, hold a NUL or are CacheKit's own are refused by every call`()
        async throws
    {
        let world = try await World(.allTiers)
        let values = world.cache.values(of: Int.self)
        for key in ["", String(repeating: "k", count: 1025), "a\0b", "ckv:1"] {
            #expect(await code { _ = try await values.get(key) } == .invalidKey)
            #expect(await code { _ = try await values.get(["fine", key]) } == .invalidKey)
            #expect(await code { _ = try await values.contains(key) } == .invalidKey)
            #expect(await code { _ = try await values.contains(["fine", key]) } == .invalidKey)
            #expect(await code { try await values.set(1, for: key) } == .invalidKey)
            #expect(await code { try await values.set(["fine": 1, key: 2]) } == .invalidKey)
            #expect(await code { try await values.delete(key) } == .invalidKey)
            #expect(await code { try await values.delete(["fine", key]) } == .invalidKey)
            #expect(await code { _ = try await values.getOrSet(key) { 1 } } == .invalidKey)
        }
        #expect(try await world.local.lastSequence() == .zero)
    }

    @Test(arguments: Setting.all)
    func `a value over the limit is refused and leaves the old one`(setting: Setting) async throws {
        let world = try await World(setting) { $0.maximumValueBytes = 100 }
        let key = try CacheKey("k")
        let fits = [UInt8](repeating: 1, count: 98)
        try await world.cache.bytes.set(fits, for: key)
        #expect(await code { try await world.cache.bytes.set(fits + [1], for: key) } == .valueTooLarge)
        #expect(try await world.cache.bytes.get(key) == fits)
    }

    @Test(arguments: Setting.all)
    func `bytes of another type are an error in get and a miss in getOrSet`(setting: Setting) async throws {
        let world = try await World(setting)
        let key = try CacheKey("k")
        try await world.cache.values(of: String.self).set("text", for: key)
        let numbers = world.cache.values(of: Int.self)
        #expect(await code { _ = try await numbers.get(key) } == .decoding)
        #expect(try await numbers.getOrSet(key) { 7 } == 7)
        #expect(try await numbers.get(key) == 7)
        #expect(world.cache.statistics().undecodable == 1)
    }

    @Test(arguments: Setting.all.filter { $0.isSecure && ($0.hasLocal || $0.hasRemote) })
    func `another tenant's or key's bytes never pass for a value`(setting: Setting) async throws {
        let world = try await World(setting)
        try await world.cache.values(of: Int.self).set(1, for: "k")
        if setting.hasRemote { _ = await world.cache.push(deadline: .seconds(1)) }
        let stranger = try Keyring(current: MasterKey(bytes: [UInt8](repeating: 8, count: 32)))
        for other in [
            try await World(setting, beside: world) { $0.tenant = "another" },
            try await World(setting, beside: world, keyring: stranger),
        ] {
            let values = other.cache.values(of: Int.self)
            #expect(await code { _ = try await values.get("k") } == .authenticationFailed)
            #expect(await code { _ = try await values.get(["k"]) } == .authenticationFailed)
            #expect(await code { _ = try await values.getOrSet("k") { 2 } } == .authenticationFailed)
        }
        #expect(try await world.cache.values(of: Int.self).get("k") == 1)
    }

    @Test func `a secure cache never takes plain bytes, nor a plain one sealed bytes`() async throws {
        let plain = try await World(Setting(hasRemote: true, isSecure: false, mode: .interop))
        try await plain.cache.values(of: String.self).set(String(repeating: "x", count: 100), for: "plain")
        let secure = try await World(Setting(hasRemote: true, isSecure: true, mode: .interop), beside: plain)
        try await secure.cache.values(of: Int.self).set(1, for: "sealed")
        #expect(await code { _ = try await secure.cache.values(of: String.self).get("plain") } == .authenticationFailed)
        #expect(await code { _ = try await plain.cache.values(of: Int.self).get("sealed") } == .decoding)
    }

    @Test func `a frame of the Python SDK's own mode is named in the error`() async throws {
        let world = try await World(Setting(hasRemote: true, isSecure: false, mode: .interop))
        world.remote.put([0x43, 0x4B, 3, 0, 0], for: try CacheKey("k"), expiresAt: nil)
        let error = await #expect(throws: CacheError.self) { try await world.cache.values(of: String.self).get("k") }
        #expect(error?.code == .decoding)
        #expect(error?.message.contains("Python") == true)
    }
}
