import Testing

struct ExpansionTests {
    @Test func `a method looks its entry up, and its body becomes a method of its own`() {
        expect(
            """
            struct Users {
                @Cached("get_user", namespace: "users", ttl: .seconds(300))
                func user(id: Int) async throws -> User {
                    // The body, as it was written.
                    let row = try await database.row(id)
                    return User(row)
                }
            }
            """,
            expandsTo: """
                struct Users {
                    func user(id: Int) async throws -> User {
                        try await $user(id: id).value()
                    }

                    /// The entry of a call of `user`: its key; what it holds; `invalidate()`.
                    func $user(id: Int) -> CacheKit.CachedCall<User> {
                        CacheKit.CachedCall("get_user", in: "users", of: cache, ttl: .seconds(300), arguments: id) {
                            try await self.__uncached_user(id: id)
                        }
                    }

                    private func __uncached_user(id: Int) async throws -> User {
                        // The body, as it was written.
                        let row = try await database.row(id)
                        return User(row)
                    }
                }
                """)
    }

    @Test(arguments: ["extension Users where Self: Sendable", "extension Page where Item == User"])
    func `an extension for one kind, or of a protocol, shares nothing between kinds`(type: String) {
        expect(
            """
            \(type) {
                @Cached("one", namespace: "n")
                func one() async throws -> Int { 1 }
            }
            """,
            expandsTo: """
                \(type) {
                    func one() async throws -> Int {
                        try await $one().value()
                    }

                    /// The entry of a call of `one`: its key; what it holds; `invalidate()`.
                    func $one() -> CacheKit.CachedCall<Int> {
                        CacheKit.CachedCall("one", in: "n", of: cache) {
                            try await self.__uncached_one()
                        }
                    }

                    private func __uncached_one() async throws -> Int {
                        1
                    }
                }
                """)
    }

    @Test func `labels, names and defaults of parameters are kept, in order`() {
        expect(
            """
            @Cached("page", namespace: "lists", cache: shared)
            func page(_ list: String, after cursor: Int? = nil, count: Int = 20) async throws -> [Int] { [] }
            """,
            expandsTo: """
                func page(_ list: String, after cursor: Int? = nil, count: Int = 20) async throws -> [Int] {
                    try await $page(list, after: cursor, count: count).value()
                }

                /// The entry of a call of `page`: its key; what it holds; `invalidate()`.
                func $page(_ list: String, after cursor: Int? = nil, count: Int = 20) -> CacheKit.CachedCall<[Int]> {
                    CacheKit.CachedCall("page", in: "lists", of: shared, arguments: list, cursor, count) {
                        try await __uncached_page(list, after: cursor, count: count)
                    }
                }

                private func __uncached_page(_ list: String, after cursor: Int? = nil, count: Int = 20) async throws -> [Int] {
                    []
                }
                """)
    }

    @Test func `a key path names a property of the type, and isolation is taken over`() {
        expect(
            """
            public extension Users {
                @MainActor @discardableResult
                @Cached("all", namespace: "users", cache: \\Users.store.cache)
                static func `default`() async throws(any Error) -> Int { 1 }

                @Cached("one", namespace: "users") @concurrent
                private func one() async throws -> Int { 1 }
            }
            """,
            expandsTo: """
                public extension Users {
                    @MainActor @discardableResult
                    static func `default`() async throws(any Error) -> Int {
                        try await $default().value()
                    }

                    /// The entry of a call of `default`: its key; what it holds; `invalidate()`.
                    @MainActor internal static func $default() -> CacheKit.CachedCall<Int> {
                        CacheKit.CachedCall("all", in: "users", of: self.store.cache) {
                            try await __uncached_default()
                        }
                    }

                    @MainActor private static func __uncached_default() async throws(any Error) -> Int {
                        1
                    }

                    @concurrent
                    private func one() async throws -> Int {
                        try await $one().value()
                    }

                    /// The entry of a call of `one`: its key; what it holds; `invalidate()`.
                    private nonisolated func $one() -> CacheKit.CachedCall<Int> {
                        CacheKit.CachedCall("one", in: "users", of: cache) {
                            try await self.__uncached_one()
                        }
                    }

                    @concurrent private func __uncached_one() async throws -> Int {
                        1
                    }
                }
                """)
    }
}
