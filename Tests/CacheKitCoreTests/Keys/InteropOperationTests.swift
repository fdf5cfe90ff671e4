import Testing

@testable import CacheKitCore

struct InteropOperationTests {
    @Test(.enabled(if: SharedVectors.interop != nil, "the shared folder with the vectors is absent"))
    func `keys over canonical arguments equal the published ones`() throws {
        let vectors = SharedVectors.list(SharedVectors.interop, "key_vectors")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let operation = try InteropOperation(
                namespace: try #require(vector["namespace"] as? String),
                operation: try #require(vector["operation"] as? String))
            let arguments = bytes(hex: try #require(vector["canonical_args_hex"] as? String))
            #expect(operation.key(canonicalArguments: arguments).string == vector["expected_key"] as? String)
        }
    }

    @Test(.enabled(if: SharedVectors.interop != nil, "the shared folder with the vectors is absent"))
    func `keys over typed arguments equal the published ones`() throws {
        let vectors = SharedVectors.list(SharedVectors.interop, "key_vectors")
        #expect(vectors.count >= 33)
        for vector in vectors {
            let operation = try InteropOperation(
                namespace: try #require(vector["namespace"] as? String),
                operation: try #require(vector["operation"] as? String))
            let arguments = try (vector["args"] as? [Any] ?? []).map(InteropVectors.argument)
            #expect(try operation.key(arguments).string == vector["expected_key"] as? String, "\(vector["name"] ?? "")")
        }
    }

    @Test(.enabled(if: SharedVectors.interop != nil, "the shared folder with the vectors is absent"))
    func `every published error has no key`() throws {
        let vectors = SharedVectors.list(SharedVectors.interop, "error_vectors")
        #expect(vectors.count >= 9)
        for vector in vectors {
            #expect(throws: CacheError.self, "\(vector["name"] ?? "")") {
                let operation = try InteropOperation(
                    namespace: vector["namespace"] as? String ?? "users",
                    operation: vector["operation"] as? String ?? "get")
                _ = try operation.key(try (vector["args"] as? [Any] ?? []).map(InteropVectors.argument))
            }
        }
    }

    @Test(arguments: ["", "A", ".a", "-a", "_a", "a b", "a\n", "a:b", "é", String(repeating: "a", count: 65), "a\u{0}"])
    func `a segment outside the pattern is refused at declaration`(segment: String) {
        #expect(throws: CacheError.self) { try InteropOperation(namespace: segment, operation: "get") }
        #expect(throws: CacheError.self) { try InteropOperation(namespace: "users", operation: segment) }
    }

    @Test func `the longest key has 194 characters, and the reserved namespace is refused`() throws {
        let segment = String(repeating: "a", count: 64)
        let operation = try InteropOperation(namespace: segment, operation: segment)
        #expect(operation.key(canonicalArguments: [0x90]).string.utf8.count == 194)
        #expect(throws: CacheError.self) { try InteropOperation(namespace: "ckv", operation: "get") }
    }
}
