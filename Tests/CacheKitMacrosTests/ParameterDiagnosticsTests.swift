import SwiftSyntaxMacrosGenericTestSupport
import Testing

struct ParameterDiagnosticsTests {
    @Test(arguments: ["inout", "consuming", "borrowing", "sending", "isolated"])
    func `a parameter that is passed in a way of its own becomes a plain one`(specifier: String) {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: \(specifier) Int) async throws -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a parameter that is '\(specifier)' can't be part of a key; take a plain value", line: 2,
                    column: 12,
                    fixIts: [FixItSpec(message: "remove '\(specifier)'")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { 1 }
                """)
    }

    @Test func `a variadic parameter becomes an array`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(_ ids: Int..., name: String) async throws -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a variadic parameter can't be passed on; take an array", line: 2, column: 18,
                    fixIts: [FixItSpec(message: "take an array")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(_ ids: [Int], name: String) async throws -> Int { 1 }
                """)
    }

    @Test(arguments: [
        ("some Hashable", 0, "a 'some' type can't be part of a key; name the concrete type"),
        ("any Hashable", 0, "a 'any' type can't be part of a key; name the concrete type"),
        ("[any Hashable]", 1, "a 'any' type can't be part of a key; name the concrete type"),
        ("Any?", 0, "a value of any type can't be part of a key; name the concrete type"),
        ("[String: AnyObject]", 9, "a value of any type can't be part of a key; name the concrete type"),
        ("(Int, Int)", 0, "a tuple can't be part of a key; use a structure, or its parts"),
        ("@escaping () -> Int", 10, "a function can't be part of a key; use its result"),
        ("@autoclosure () -> Int", 13, "a function can't be part of a key; use its result"),
    ])
    func `what has no form on the wire is told`(type: String, offset: Int, message: String) {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: \(type)) async throws -> Int { 1 }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 2, column: 12 + offset)])
    }

    @Test(arguments: [
        ("some Codable", 0, "a 'some' type can't be stored; name the concrete type"),
        ("[any Codable]", 1, "a 'any' type can't be stored; name the concrete type"),
        ("(Int, String)?", 0, "a tuple can't be stored; use a structure, or its parts"),
        ("() -> Int", 0, "a function can't be stored; use its result"),
        ("Any", 0, "a value of any type can't be stored; name the concrete type"),
    ])
    func `what can't be stored is told`(type: String, offset: Int, message: String) {
        expect(
            """
            @Cached("f", namespace: "n")
            func f() async throws -> \(type) { try await load() }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 2, column: 26 + offset)])
    }

    @Test func `a parameter without a name can't be part of a key`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(_: Int, of _: String) async throws -> Int { 1 }
            """,
            isRefused: [8, 16].map {
                DiagnosticSpec(
                    message: "a parameter without a name can't be part of a key; name it, or remove it", line: 2,
                    column: $0)
            })
    }

    @Test func `a parameter that hides the cache is told, unless the cache is named`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(in cache: String) async throws -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(
                    message:
                        "a parameter named 'cache' hides the cache that is used; rename it, or say which with 'cache:'",
                    line: 2, column: 11)
            ])
        expect(
            """
            @Cached("f", namespace: "n", cache: shared)
            func f(cache: String) async throws -> Int { 1 }
            """,
            expandsTo: """
                func f(cache: String) async throws -> Int {
                    try await $f(cache: cache).value()
                }

                /// The entry of a call of `f`: its key; what it holds; `invalidate()`.
                func $f(cache: String) -> CacheKit.CachedCall<Int> {
                    CacheKit.CachedCall("f", in: "n", of: shared, arguments: cache) {
                        try await __uncached_f(cache: cache)
                    }
                }

                private func __uncached_f(cache: String) async throws -> Int {
                    1
                }
                """)
    }
}
