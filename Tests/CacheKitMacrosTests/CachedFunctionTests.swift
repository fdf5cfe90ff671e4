import CacheKitMacros
import Synchronization
import Testing

/// Another property than the default one.
private struct Shop: Sendable {
    let store: Cache
    let loads = Count()

    @Cached("price", namespace: "shop", ttl: .seconds(60), cache: \Shop.store)
    func price(of article: String, currency: String = "EUR") async throws -> Double {
        loads.add()
        return article.isEmpty ? 0 : 9.5
    }
}

private actor Visits {
    let cache: Cache
    private var loads = 0

    init(cache: Cache) { self.cache = cache }

    var loadCount: Int { loads }

    @Cached("visits", namespace: "site")
    func visits(_ page: String, days: [Int]) async throws -> [Int] {
        // The actor's state, without `self` and without waiting.
        loads += 1
        return days.map { $0 * page.count }
    }
}

@MainActor private final class Screen {
    let cache: Cache
    var loads = 0

    init(cache: Cache) { self.cache = cache }

    @Cached("title", namespace: "screens")
    func title(id: Int) async throws -> String? {
        loads += 1
        return id == 0 ? nil : "title \(id)"
    }
}

/// Of functions that belong to no value; whoever starts the program opens their cache.
private enum Site {
    static let opened = Mutex<Cache?>(nil)
    static let loads = Count()

    static var cache: Cache {
        guard let cache = opened.withLock({ $0 }) else { preconditionFailure("the test opens it first") }
        return cache
    }

    @Cached("pages", namespace: "site")
    static func pages() async throws -> [String] {
        loads.add()
        return ["start"]
    }
}

@Cached("links", namespace: "site", ttl: .seconds(1), cache: Site.cache)
private func links(of page: String) async throws -> [String] {
    Site.loads.add()
    return [page]
}

private struct Wrong: Error, Equatable {}

private final class Users: Sendable {
    let cache: Cache
    let loads = Count()

    init(cache: Cache) { self.cache = cache }

    @Cached("get_user", namespace: "users", ttl: .seconds(300))
    func user(id: Int) async throws -> String {
        loads.add()
        if id < 0 { throw Wrong() }
        return "user \(id)"
    }

    /// The same operation elsewhere in the program.
    @Cached("get_user", namespace: "users")
    func sameUser(named number: Int) async throws -> String {
        "never called for \(number)"
    }

    @Cached("poem", namespace: "users")
    func poem() async throws -> String {
        // Lines are indented anew where the body is moved to.
        """
        one
            two

          three \("""
            four
            """)
        """
    }

    @Cached("fibonacci", namespace: "users")
    func fibonacci(_ index: Int) async throws -> Int {
        loads.add()
        return index < 2 ? index : try await fibonacci(index - 1) + fibonacci(index - 2)
    }
}

struct CachedFunctionTests {
    let cache: Cache

    init() async throws { cache = try await Cache(encryption: .plain) }

    @Test func `a function that is called twice with the same arguments runs once`() async throws {
        let users = Users(cache: cache)
        for _ in 0..<3 { #expect(try await users.user(id: 42) == "user 42") }
        #expect(users.loads.value == 1)
        #expect(try await users.user(id: 43) == "user 43")
        #expect(users.loads.value == 2)
    }

    @Test func `its error passes as it is, and nothing is kept`() async throws {
        let users = Users(cache: cache)
        for _ in 0..<2 { await #expect(throws: Wrong()) { try await users.user(id: -1) } }
        #expect(users.loads.value == 2)
    }

    @Test func `functions of the same operation share their entries`() async throws {
        let users = Users(cache: cache)
        _ = try await users.user(id: 42)
        #expect(try await users.sameUser(named: 42) == "user 42")
        let function = cache.function("get_user", in: "users") { (id: Int) in "not called for \(id)" }
        #expect(try await function(42) == "user 42")
        #expect(try users.$user(id: 42).key == function.key(42))
    }

    @Test func `after an entry is invalidated its function runs again`() async throws {
        let users = Users(cache: cache)
        _ = try await users.user(id: 42)
        _ = try await users.user(id: 43)
        #expect(try await users.$user(id: 42).get() == "user 42")
        try await users.$user(id: 42).invalidate()
        #expect(try await users.$user(id: 42).get() == nil)
        _ = try await users.user(id: 42)
        _ = try await users.user(id: 43)
        #expect(users.loads.value == 3)
        try await users.$user(id: 42).set("another")
        #expect(try await users.user(id: 42) == "another")
    }

    @Test func `literals of several lines stay what they are`() async throws {
        #expect(try await Users(cache: cache).poem() == "one\n    two\n\n  three four")
    }

    @Test func `a function that calls itself finds what it has found`() async throws {
        let users = Users(cache: cache)
        #expect(try await users.fibonacci(30) == 832_040)
        #expect(users.loads.value == 31)
    }

    @Test func `a method of a structure takes the cache that a key path names, and defaults are part of the key`()
        async throws
    {
        let shop = Shop(store: cache)
        #expect(try await shop.price(of: "tea") == 9.5)
        #expect(try await shop.price(of: "tea", currency: "EUR") == 9.5)
        #expect(shop.loads.value == 1)
        #expect(try await shop.price(of: "tea", currency: "CHF") == 9.5)
        #expect(shop.loads.value == 2)
    }

    @Test func `a method of an actor keeps its isolation`() async throws {
        let site = Visits(cache: cache)
        #expect(try await site.visits("ab", days: [1, 2]) == [2, 4])
        #expect(try await site.visits("ab", days: [1, 2]) == [2, 4])
        #expect(await site.loadCount == 1)
        try await site.$visits("ab", days: [1, 2]).invalidate()
        _ = try await site.visits("ab", days: [1, 2])
        #expect(await site.loadCount == 2)
    }

    @Test @MainActor func `a method of the main actor keeps its isolation, and nil is a value`() async throws {
        let screen = Screen(cache: cache)
        for _ in 0..<2 { #expect(try await screen.title(id: 0) == nil) }
        #expect(screen.loads == 1)
        #expect(try await screen.title(id: 7) == "title 7")
    }

    @Test func `static and global functions, too, run once`() async throws {
        Site.opened.withLock { $0 = cache }
        for _ in 0..<2 {
            #expect(try await Site.pages() == ["start"])
            #expect(try await links(of: "start") == ["start"])
        }
        #expect(Site.loads.value == 2)
        try await $links(of: "start").invalidate()
        try await Site.$pages().invalidate()
        _ = try await Site.pages()
        _ = try await links(of: "start")
        #expect(Site.loads.value == 4)
    }

    @Test func `a thousand callers at once run it once`() async throws {
        let users = Users(cache: cache)
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<1000 { group.addTask { try await users.user(id: 7) } }
            for try await user in group { #expect(user == "user 7") }
        }
        #expect(users.loads.value == 1)
    }
}
