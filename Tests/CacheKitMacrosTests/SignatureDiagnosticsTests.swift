import SwiftSyntaxMacrosGenericTestSupport
import Testing

struct SignatureDiagnosticsTests {
    @Test func `a function that is not async gets it`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: Int) throws -> Int { id }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a cached function is 'async': a look-up may wait for a disk or a network", line: 2,
                    column: 6,
                    fixIts: [FixItSpec(message: "add 'async'")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { id }
                """)
    }

    @Test func `a function that does not throw gets it`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: Int) async -> Int { id }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a cached function is 'throws': a look-up may wait, and may fail", line: 2, column: 6,
                    fixIts: [FixItSpec(message: "add 'throws'")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { id }
                """)
    }

    @Test func `a function that does neither gets both`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: Int) -> Int { id }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a cached function is 'async throws': a look-up may wait, and may fail", line: 2,
                    column: 6,
                    fixIts: [FixItSpec(message: "add 'async throws'")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { id }
                """)
    }

    @Test func `a typed error becomes any error`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f() async throws(Failure) -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a cached function throws any error: its own and those of the cache; leave the type out",
                    line: 2,
                    column: 23, fixIts: [FixItSpec(message: "remove the error's type")])
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f() async throws -> Int { 1 }
                """)
    }

    @Test func `a function that rethrows becomes one that throws, and a function is no part of a key`() {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(make: () throws -> Int) async rethrows -> Int { try make() }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a cached function can't rethrow: a look-up may fail, too; it is 'throws'", line: 2,
                    column: 38,
                    fixIts: [FixItSpec(message: "replace 'rethrows' by 'throws'")]),
                DiagnosticSpec(message: "a function can't be part of a key; use its result", line: 2, column: 14),
            ],
            fixed: """
                @Cached("f", namespace: "n")
                func f(make: () throws -> Int) async throws -> Int { try make() }
                """)
    }

    @Test(arguments: [("", 6), (" -> Void", 29), (" -> ()", 29), (" -> Never", 29), (" -> Swift.Void", 29)])
    func `a function without a value has nothing to store`(result: String, column: Int) {
        expect(
            """
            @Cached("f", namespace: "n")
            func f(id: Int) async throws\(result) {}
            """,
            isRefused: [
                DiagnosticSpec(
                    message:
                        "@Cached needs a value to store; give the function a return type that is Codable and Sendable",
                    line: 2, column: result.isEmpty ? column : 33)
            ])
    }

    @Test func `types are no part of a key`() {
        let message = "@Cached can't be on a generic function: types are not part of a key; write one function per type"
        expect(
            """
            @Cached("f", namespace: "n")
            func f<Value: Codable & Sendable>(id: Int) async throws -> Value { try await load(id) }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 2, column: 7)])
        expect(
            """
            extension Users {
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int where Element == Int { 1 }
            }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 3, column: 41)])
    }

    @Test(arguments: [
        "struct Users<Model: Codable & Sendable>", "final class Users<Model>", "actor Users<Model>",
        "extension Users where Model: Codable", "enum Users<Model>",
    ])
    func `the kinds of a generic type would share their entries`(type: String) {
        let message =
            "@Cached can't be in a generic type: types are not part of a key, so its kinds would share entries; use cache.function(_:in:ttl:_:)"
        expect(
            """
            \(type) {
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 3, column: 10)])
        expect(
            """
            \(type) {
                struct Inner {
                    @Cached("f", namespace: "n")
                    func f(id: Int) async throws -> Int { 1 }
                }
            }
            """,
            isRefused: [DiagnosticSpec(message: message, line: 4, column: 14)])
    }

    @Test func `a method that changes or consumes its value can't outlive the call`() {
        expect(
            """
            struct Users {
                @Cached("f", namespace: "n")
                public mutating func f(id: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached can't be on a 'mutating' method: a load outlives the call; remove the modifier",
                    line: 3,
                    column: 12, fixIts: [FixItSpec(message: "remove 'mutating'")])
            ],
            fixed: """
                struct Users {
                    @Cached("f", namespace: "n")
                    public func f(id: Int) async throws -> Int { 1 }
                }
                """)
    }

    @Test func `overrides, distributed methods and operators are not for it`() {
        expect(
            """
            class Users: Base {
                @Cached("f", namespace: "n")
                override func f(id: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached can't be on an override; put it on a method that the override calls", line: 3,
                    column: 5)
            ])
        expect(
            """
            distributed actor Users {
                @Cached("f", namespace: "n")
                distributed func f(id: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached can't be on a distributed method; put it on a method that this one calls",
                    line: 3,
                    column: 5)
            ])
        expect(
            """
            extension Users {
                @Cached("f", namespace: "n")
                static func + (left: Int, right: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached can't be on an operator; let the operator call a cached function", line: 3,
                    column: 17)
            ])
    }

    @Test func `a requirement has no body to cache`() {
        expect(
            """
            protocol Loading {
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached needs a body to cache; put it on the function that has one", line: 2, column: 5)
            ])
    }

    @Test func `a local function and what is no function are not for it`() {
        expect(
            """
            func outer() {
                @Cached("f", namespace: "n")
                func f(id: Int) async throws -> Int { 1 }
            }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "@Cached can't be on a local function; use cache.function(_:in:ttl:_:) there", line: 2,
                    column: 5)
            ])
        expect(
            """
            struct Users {
                @Cached("f", namespace: "n")
                var f: Int
            }
            """,
            isRefused: [
                DiagnosticSpec(message: "@Cached is for functions; put it on a 'func'", line: 2, column: 5)
            ])
    }
}
