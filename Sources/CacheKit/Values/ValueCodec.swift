import CacheKitCore

/// Turns a value into its MessagePack document and back.
struct ValueCodec<Value: Sendable>: Sendable {
    let encode: @Sendable (Value, NamespaceMode) throws(CacheError) -> [UInt8]
    let decode: @Sendable (consuming [UInt8]) throws(CacheError) -> Value
}

extension ValueCodec where Value: Codable {
    /// Through `Codable`; canonical in interop mode.
    static var codable: ValueCodec {
        ValueCodec(
            encode: { value, mode throws(CacheError) in
                try (mode == .interop ? Coders.canonicalEncoder : Coders.encoder).encode(value)
            },
            decode: { document throws(CacheError) in
                try Coders.decoder.decode(Value.self, from: document)
            })
    }
}

extension ValueCodec where Value == [UInt8] {
    /// Raw bytes: a document that is one MessagePack `bin`.
    static var bytes: ValueCodec {
        ValueCodec(
            encode: { bytes, _ throws(CacheError) in
                var writer = MessagePackWriter()
                writer.write(bytes: bytes)
                return try writer.finish()
            },
            decode: { document throws(CacheError) in
                try Self.binary(document)
            })
    }

    /// The payload of a document that is one `bin`: its header is cut off in place.
    private static func binary(_ document: consuming [UInt8]) throws(CacheError) -> [UInt8] {
        let header: Int
        let count: Int
        switch (document.first, document.count) {
        case (0xC4, 2...): (header, count) = (2, Int(document[1]))
        case (0xC5, 3...): (header, count) = (3, Int(document[1]) << 8 | Int(document[2]))
        case (0xC6, 5...): (header, count) = (5, document[1...4].reduce(0) { $0 << 8 | Int($1) })
        default:
            // The decoder names what it knows to be foreign, such as a frame of the Python SDK's own mode.
            _ = try MessagePackValue(decoding: document)
            throw CacheError(.decoding, "the entry is not raw bytes; read it with the type that it was written with")
        }
        guard document.count - header == count else {
            throw CacheError(
                .decoding, "the entry's bytes are cut short or followed by others; delete and write it again")
        }
        document.removeFirst(header)
        return document
    }
}

extension ValueCodec where Value == MessagePackValue {
    /// Any document, as a tree.
    static var document: ValueCodec {
        ValueCodec(
            encode: { value, mode throws(CacheError) in try value.encoded(canonical: mode == .interop) },
            decode: { document throws(CacheError) in
                try MessagePackValue(decoding: document)
            })
    }
}

/// The coders, made once: they hold options only.
private enum Coders {
    static let encoder = MessagePackEncoder()
    static let canonicalEncoder = MessagePackEncoder(canonical: true)
    static let decoder = MessagePackDecoder()
}
