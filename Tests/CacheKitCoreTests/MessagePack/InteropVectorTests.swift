import CacheKitCore
import Foundation
import Testing

/// The shared vectors: `CACHEKIT_SHARED`, or a `shared` folder beside any parent of the checkout.
enum InteropVectors {
    // Parsed once and never mutated.
    nonisolated(unsafe) static let root: [String: Any]? = {
        var candidates: [URL] = []
        if let path = ProcessInfo.processInfo.environment["CACHEKIT_SHARED"] {
            candidates.append(URL(fileURLWithPath: path))
        }
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            candidates.append(folder.appendingPathComponent("shared"))
        }
        for candidate in candidates {
            let file = candidate.appendingPathComponent("vectors/interop-mode.json")
            guard let bytes = try? Data(contentsOf: file) else { continue }
            return try? JSONSerialization.jsonObject(with: bytes) as? [String: Any]
        }
        return nil
    }()

    static func list(_ name: String) -> [[String: Any]] { root?[name] as? [[String: Any]] ?? [] }

    /// The argument that tagged JSON stands for.
    static func argument(_ json: Any) throws -> InteropArgument {
        switch json {
        case is NSNull: return .nil
        case let text as String: return .string(text)
        case let elements as [Any]: return .array(try elements.map(argument))
        case let number as NSNumber:
            if CFBooleanCheck.isBoolean(number) { return .bool(number.boolValue) }
            return .int(number.int64Value)
        case let map as [String: Any]:
            if map.count == 1, let (tag, value) = map.first, tag.hasPrefix("$") { return try tagged(tag, value) }
            return .map(try map.mapValues(argument))
        default: throw CacheError(.invalidArgument, "unknown JSON")
        }
    }

    private static func tagged(_ tag: String, _ value: Any) throws -> InteropArgument {
        let text = value as? String ?? ""
        switch tag {
        case "$set": return .set(try (value as? [Any] ?? []).map(argument))
        case "$bytes": return .bytes(bytes(hex: text))
        case "$datetime": return .dateTime(try InteropDateTime(iso8601: text))
        case "$uuid": return .uuid(try InteropUUID(text))
        case "$float": return .float(try #require(Double(text)))
        case "$int":
            if let signed = Int64(text) { return .int(signed) }
            guard let unsigned = UInt64(text) else { throw CacheError(.invalidArgument, "integer out of range") }
            return .uint(unsigned)
        default: throw CacheError(.invalidArgument, "unknown tag")
        }
    }

    /// A value in the value profile: floats keep their type.
    static func value(_ json: Any) throws -> MessagePackValue {
        switch json {
        case is NSNull: return .nil
        case let text as String: return .string(text)
        case let elements as [Any]: return .array(try elements.map(value))
        case let number as NSNumber:
            return CFBooleanCheck.isBoolean(number) ? .bool(number.boolValue) : .int(number.int64Value)
        case let map as [String: Any]:
            if let float = map["$float"] as? String { return .double(try #require(Double(float))) }
            return .map(try map.map { MessagePackValue.Entry(key: $0.key, value: try value($0.value)) })
        default: throw CacheError(.invalidArgument, "unknown JSON")
        }
    }

    static func bytes(hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }
}

enum CFBooleanCheck {
    /// JSON's `true` arrives as a number of Objective-C type `c`.
    static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
}

@Suite(.enabled(if: InteropVectors.root != nil, "the shared folder with the vectors is absent"))
struct InteropVectorTests {
    @Test func `every key vector has the canonical bytes of its arguments`() throws {
        let vectors = InteropVectors.list("key_vectors")
        #expect(vectors.count >= 33)
        for vector in vectors {
            let arguments = try (vector["args"] as? [Any] ?? []).map(InteropVectors.argument)
            let expected = InteropVectors.bytes(hex: vector["canonical_args_hex"] as? String ?? "")
            #expect(try InteropArgument.canonicalBytes(of: arguments) == expected, "\(vector["name"] ?? "")")
        }
    }

    @Test func `every value vector encodes to its canonical bytes and decodes to its value`() throws {
        let vectors = InteropVectors.list("value_vectors")
        #expect(vectors.count >= 4)
        for vector in vectors {
            let value = try InteropVectors.value(try #require(vector["value"]))
            let expected = InteropVectors.bytes(hex: vector["canonical_msgpack_hex"] as? String ?? "")
            #expect(try value.encoded(canonical: true) == expected, "\(vector["name"] ?? "")")
            #expect(try MessagePackEncoder(canonical: true).encode(value) == expected)
            #expect(try MessagePackValue(decoding: expected).encoded() == expected)
        }
    }

    @Test func `every error vector about arguments is refused`() throws {
        let vectors = InteropVectors.list("error_vectors").filter { $0["namespace"] == nil }
        #expect(vectors.count >= 6)
        for vector in vectors {
            #expect(throws: CacheError.self, "\(vector["name"] ?? "")") {
                let arguments = try (vector["args"] as? [Any] ?? []).map(InteropVectors.argument)
                _ = try InteropArgument.canonicalBytes(of: arguments)
            }
        }
    }
}
