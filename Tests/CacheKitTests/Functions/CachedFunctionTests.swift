import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKit

struct CachedFunctionTests {
    private struct Failure: Error, Equatable {}

    @Test(arguments: Setting.all)
    func `two calls with the same arguments are one load, under the key of every SDK`(setting: Setting) async throws {
        let world = try await World(setting)
        let loads = Counter()
        let user = world.cache.function("get_user", in: "users") { (id: Int) in
            loads.add()
            return "user \(id)"
        }
        for _ in 0..<2 { #expect(try await user(42) == "user 42") }
        #expect(loads.value == 1)
        // As `cachekit keys interop users get_user '[42]'` and the Python SDK have it.
        let key = try CacheKey("users:get_user:61598716255080080f6456eb065c2e51badfaa4320b0efe97469c29cffee8875")
        #expect(try user.key(42) == key)
        #expect(try await world.cache.values(of: String.self).get(key) == "user 42")
        #expect(try await user(43) == "user 43")
        #expect(loads.value == 2)
    }

    @Test func `entries are in interop mode, and live as long as the function says`() async throws {
        let world = try await World(Setting(hasLocal: true, isSecure: false))
        let short = world.cache.function("short", in: "users", ttl: .seconds(5)) { (id: Int) in id }
        let long = world.cache.function("long", in: "users") { (id: Int) in id }
        _ = try await short(1)
        _ = try await long(1)
        let rows = try await world.local.read([short.key(1), long.key(1)])
        #expect(rows.map { $0?.value } == [[1], [1]])
        #expect(rows.map { $0?.mode } == [.interop, .interop])
        let now = world.clock.now()
        #expect(rows.map { $0?.expiresAt } == [now.advanced(by: .seconds(5)), now.advanced(by: .seconds(3600))])
    }

    @Test func `a namespace that is declared in interop mode keeps its TTL`() async throws {
        let world = try await World(Setting(hasLocal: true, isSecure: false))
        let users = world.cache.namespace("users", of: Int.self, ttl: .seconds(600), mode: .interop)
        let function = world.cache.function("id", in: "users") { (id: Int) in id }
        #expect(try await function(7) == 7)
        #expect(try await users.get(function.key(7)) == 7)
        let row = try #require(try await world.local.read([function.key(7)])[0])
        #expect(row.expiresAt == world.clock.now().advanced(by: .seconds(600)))
    }

    @Test func `what functions read and load is counted in their namespace, whoever declared it`() async throws {
        for declares in [false, true] {
            let world = try await World(.memoryOnly)
            if declares { _ = world.cache.namespace("users", of: Int.self, mode: .interop) }
            let first = world.cache.function("first", in: "users") { (id: Int) in id }
            let second = world.cache.function("second", in: "users") { (id: Int) in id }
            for _ in 0..<3 {
                _ = try await first(1)
                _ = try await second(1)
                // As a macro does it: each call for itself.
                let third = world.cache.function("third", in: "users") { (id: Int) in id }
                _ = try await third(1)
            }
            let statistics = world.cache.statistics().namespaces
            #expect(statistics["users"]?.misses == 3)
            #expect(statistics["users"]?.loads == 3)
            #expect(statistics["users"]?.memoryHits == 6)
            #expect(statistics[""]?.loads ?? 0 == 0)
        }
    }

    @Test func `with interop as the default, a namespace of values cannot change the mode of functions`() async throws {
        let world = try await World(Setting(isSecure: false, mode: .interop))
        let function = world.cache.function("id", in: "users") { (id: Int) in id }
        let users = world.cache.namespace("users", of: Int.self)
        #expect(await code { _ = try await users.get("1") } == .invalidConfiguration)
        #expect(try await function(1) == 1)
        #expect(world.cache.memoryEntry(for: try function.key(1))?.mode == .interop)
    }

    @Test func `a sliding limit of the configuration is for namespaces that have room for it`() async throws {
        let world = try await World(.memoryOnly) {
            $0.loading.isSliding = true
            $0.loading.slidingLimit = .seconds(3600)
        }
        let loads = Counter()
        let function = world.cache.function("id", in: "users", ttl: .seconds(600)) { (id: Int) in
            loads.add()
            return id
        }
        // Nor does it slide without one: it might never be loaded again.
        for _ in 0..<30 {
            #expect(try await function(1) == 1)
            #expect(await eventually { world.cache.background.count == 0 })
            world.clock.advance(by: .seconds(240))
        }
        #expect(loads.value == 10)
        var loading = LoadingPolicy()
        loading.slidingLimit = .seconds(3600)
        let users = world.cache.namespace("others", of: Int.self, mode: .interop, loading: loading)
        #expect(await code { _ = try await users.get("1") } == .invalidConfiguration)
    }

    @Test func `a namespace of values in native mode is refused, by every call`() async throws {
        let world = try await World(.memoryOnly)
        _ = world.cache.namespace("users", of: Int.self)
        let function = world.cache.function("id", in: "users") { (id: Int) in id }
        #expect(await code { _ = try await function(1) } == .invalidConfiguration)
        #expect(await code { _ = try await function.call(1).get() } == .invalidConfiguration)
        #expect(await code { try await function.call(1).set(1) } == .invalidConfiguration)
        #expect(await code { try await function.invalidate(1) } == .invalidConfiguration)
    }

    @Test(arguments: [
        ("Get", "users", Duration?.none, CacheError.Code.invalidArgument), ("get", "", nil, .invalidArgument),
        ("get", "ckv", nil, .invalidArgument), ("get", "users", .zero, .invalidConfiguration),
        ("get", "users", .seconds(3650 * 86_400 + 1), .invalidConfiguration),
    ])
    func `what is wrong with a declaration is told by every call, before anything is loaded`(
        name: String, namespace: String, ttl: Duration?, expected: CacheError.Code
    ) async throws {
        let world = try await World(.memoryOnly)
        let loads = Counter()
        let function = world.cache.function(name, in: namespace, ttl: ttl) { (id: Int) in
            loads.add()
            return id
        }
        #expect(await code { _ = try await function(1) } == expected)
        #expect(await code { _ = try function.key(1) } == expected)
        #expect(await code { _ = try await function.call(1).get() } == expected)
        #expect(await code { try await function.call(1).set(1) } == expected)
        #expect(await code { try await function.invalidate(1) } == expected)
        #expect(loads.value == 0)
    }

    @Test func `an argument outside the model is told before anything is loaded`() async throws {
        let world = try await World(.memoryOnly)
        let loads = Counter()
        let function = world.cache.function("f", in: "n") { (number: Double) in
            loads.add()
            return number
        }
        #expect(await code { _ = try await function(.nan) } == .encoding)
        #expect(await code { try await function.invalidate(.infinity) } == .encoding)
        #expect(loads.value == 0)
    }

    @Test func `the function's error passes as it is, and nothing is kept`() async throws {
        let world = try await World(.memoryOnly)
        let loads = Counter()
        let function = world.cache.function("f", in: "n") { (id: Int) -> Int in
            loads.add()
            throw Failure()
        }
        for _ in 0..<2 { await #expect(throws: Failure()) { try await function(1) } }
        #expect(loads.value == 2)
    }

    @Test func `what is invalidated is loaded again, and only that`() async throws {
        let world = try await World(.allTiers)
        let loads = Counter()
        let function = world.cache.function("f", in: "n") { (id: Int) in
            loads.add()
            return id
        }
        _ = try await function(1)
        _ = try await function(2)
        try await function.invalidate(1)
        #expect(try await function.call(1).get() == nil)
        #expect(try await function.call(2).get() == 2)
        _ = try await function(1)
        _ = try await function(2)
        #expect(loads.value == 3)
    }

    @Test func `a value that is set is what the next call gives, for as long as the function says`() async throws {
        let world = try await World(.memoryOnly)
        let function = world.cache.function("f", in: "n", ttl: .seconds(5)) { (id: Int) in -id }
        try await function.call(1).set(100)
        #expect(try await function(1) == 100)
        world.clock.advance(by: .seconds(5))
        #expect(try await function(1) == -1)
    }

    @Test func `functions of up to six parameters have the keys of their arguments in order`() async throws {
        let world = try await World(.memoryOnly)
        let cache = world.cache
        let operation = try InteropOperation(namespace: "n", operation: "f")
        func key(_ arguments: InteropArgument...) throws -> CacheKey { try operation.key(arguments) }
        let none = cache.function("f", in: "n") { 0 }
        let two = cache.function("f", in: "n") { (a: Int, b: Bool) in a }
        let three = cache.function("f", in: "n") { (a: Int, b: Bool, c: String) in a }
        let four = cache.function("f", in: "n") { (a: Int, b: Bool, c: String, d: Double) in a }
        let five = cache.function("f", in: "n") { (a: Int, b: Bool, c: String, d: Double, e: [UInt8]) in a }
        let six = cache.function("f", in: "n") { (a: Int, b: Bool, c: String, d: Double, e: [UInt8], f: Int?) in a }
        #expect(try await none() == 0)
        #expect(try await two(2, true) == 2)
        #expect(try await three(3, true, "c") == 3)
        #expect(try await four(4, true, "c", 0.5) == 4)
        #expect(try await five(5, true, "c", 0.5, [1]) == 5)
        #expect(try await six(6, true, "c", 0.5, [1], nil) == 6)
        let values = cache.values(of: Int.self)
        #expect(try await values.get(key()) == 0)
        #expect(try await values.get(key(2, true)) == 2)
        #expect(try await values.get(key(3, true, "c")) == 3)
        #expect(try await values.get(key(4, true, "c", 0.5)) == 4)
        #expect(try await values.get(key(5, true, "c", 0.5, .bytes([1]))) == 5)
        #expect(try await values.get(key(6, true, "c", 0.5, .bytes([1]), nil)) == 6)
    }

    @Test func `a function by name, and one of a type that says what it is on the wire`() async throws {
        enum Role: String, InteropArgumentConvertible { case reader }
        let world = try await World(.memoryOnly)
        @Sendable func label(of role: Role) async throws -> String { "a \(role)" }
        let function = world.cache.function("label", in: "roles", label)
        #expect(try await function(.reader) == "a reader")
        #expect(try function.key(.reader) == InteropOperation(namespace: "roles", operation: "label").key(["reader"]))
    }
}
