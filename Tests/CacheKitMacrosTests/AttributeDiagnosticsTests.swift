import SwiftSyntaxMacrosGenericTestSupport
import Testing

struct AttributeDiagnosticsTests {
    private static let rule = "must be 1 to 64 of a-z, 0-9, '.', '_', '-' and begin with a letter or digit"

    @Test(arguments: [
        (#""""#, "is empty; name it as the other SDKs do"), (#""Get""#, rule), (#""a:b""#, rule), (#""_a""#, rule),
        (#""a\n""#, rule), ("name", "must be a string literal, so that it is checked when this is built"),
        (#""get_" + name"#, "must be a string literal, so that it is checked when this is built"),
        (#""get_\(name)""#, "must be a string literal without interpolation"),
    ])
    func `a name that the other SDKs would refuse is told where it stands`(name: String, problem: String) {
        expect(
            """
            @Cached(\(name), namespace: "n")
            func f(id: Int) async throws -> Int { 1 }
            """,
            isRefused: [DiagnosticSpec(message: "the operation \(problem)", line: 1, column: 9)])
        expect(
            """
            @Cached("f", namespace: \(name))
            func f(id: Int) async throws -> Int { 1 }
            """,
            isRefused: [DiagnosticSpec(message: "the namespace \(problem)", line: 1, column: 25)])
    }

    @Test func `the namespace of CacheKit itself is told`() {
        expect(
            """
            @Cached("f", namespace: "ckv")
            func f(id: Int) async throws -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(message: "the namespace 'ckv' is CacheKit's own; choose another", line: 1, column: 25)
            ])
    }

    @Test(arguments: [
        ".zero", "Duration.zero", ".seconds(0)", ".seconds(-5)", ".milliseconds(0.5)", ".microseconds(999)",
        "Duration.nanoseconds(1)", ".seconds(315_360_001)",
    ])
    func `a TTL out of range is told`(ttl: String) {
        expect(
            """
            @Cached("f", namespace: "n", ttl: \(ttl))
            func f(id: Int) async throws -> Int { 1 }
            """,
            isRefused: [
                DiagnosticSpec(
                    message: "a TTL lies between one millisecond and ten years; leave it out for the namespace's",
                    line: 1,
                    column: 35)
            ])
    }

    @Test(arguments: [".milliseconds(1)", ".seconds(315_360_000)", "Duration.seconds(0.5)", "Limits.ttl", ".weeks(0)"])
    func `a TTL in range, or one that only the program knows, is passed on`(ttl: String) {
        expect(
            """
            @Cached("f", namespace: "n", ttl: \(ttl))
            func f() async throws -> Int { 1 }
            """,
            expandsTo: """
                func f() async throws -> Int {
                    try await $f().value()
                }

                /// The entry of a call of `f`: its key; what it holds; `invalidate()`.
                func $f() -> CacheKit.CachedCall<Int> {
                    CacheKit.CachedCall("f", in: "n", of: cache, ttl: \(ttl)) {
                        try await __uncached_f()
                    }
                }

                private func __uncached_f() async throws -> Int {
                    1
                }
                """)
    }

    @Test func `nil stands for what is left out`() {
        expect(
            """
            @Cached("f", namespace: "n", ttl: nil, cache: nil)
            func f() async throws -> Int { 1 }
            """,
            expandsTo: """
                func f() async throws -> Int {
                    try await $f().value()
                }

                /// The entry of a call of `f`: its key; what it holds; `invalidate()`.
                func $f() -> CacheKit.CachedCall<Int> {
                    CacheKit.CachedCall("f", in: "n", of: cache) {
                        try await __uncached_f()
                    }
                }

                private func __uncached_f() async throws -> Int {
                    1
                }
                """)
    }

    @Test func `all that is wrong is told at once`() {
        expect(
            """
            @Cached("", namespace: "N", ttl: .zero)
            func f() async throws {}
            """,
            isRefused: [
                DiagnosticSpec(message: "the operation is empty; name it as the other SDKs do", line: 1, column: 9),
                DiagnosticSpec(message: "the namespace \(Self.rule)", line: 1, column: 24),
                DiagnosticSpec(
                    message: "a TTL lies between one millisecond and ten years; leave it out for the namespace's",
                    line: 1,
                    column: 34),
                DiagnosticSpec(
                    message:
                        "@Cached needs a value to store; give the function a return type that is Codable and Sendable",
                    line: 2, column: 6),
            ])
    }
}
