/// Encodes `Encodable` values as one MessagePack document, in the shape of Foundation's coders.
///
/// Keys are the coding keys' strings; `[UInt8]`, `Data` are byte strings, `UUID` a lowercase string, `Date` a
/// `__datetime__` sentinel map (protocol section 3). A `Set` is an array in its own order, which differs between
/// processes; a `Dictionary` with string or integer keys is a map, in canonical form sorted. Types that conform to
/// ``MessagePackEncodable`` write themselves. A key that a type encodes twice is written twice, which the canonical form
/// refuses.
public struct MessagePackEncoder: Sendable {
    /// Codable containers may nest this deep; deeper is an error rather than a stack overflow.
    static let maximumContainerDepth = 512

    /// Whether the document takes the canonical form that interop mode writes (protocol section 3): map keys sorted by
    /// UTF-8 bytes at every level, floats as float64. Default: no, in the order of the type's fields.
    public var isCanonical: Bool
    /// Handed to the `encode(to:)` of the values, as `Encoder.userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    /// An encoder.
    public init(canonical: Bool = false) {
        isCanonical = canonical
    }

    /// Encodes a value as one document.
    ///
    /// - Throws: ``CacheError/Code/encoding``; its cause is the `EncodingError` without the value, where there was one.
    public func encode<Value: Encodable>(_ value: Value) throws(CacheError) -> [UInt8] {
        let output = EncodingOutput(userInfo: userInfo)
        do {
            try output.encode(value, parent: nil, key: nil)
            if let fault = output.fault { throw fault }
        } catch {
            throw CodableFailure.encoding(error)
        }
        return try finish(output.finish())
    }

    /// Encodes a value that writes itself, without Codable's containers.
    ///
    /// - Throws: ``CacheError/Code/encoding``.
    public func encode<Value: MessagePackEncodable>(_ value: Value) throws(CacheError) -> [UInt8] {
        var writer = MessagePackWriter()
        try value.encode(to: &writer)
        return try finish(writer.finish())
    }

    /// Encodes a value that writes itself, although it is `Encodable` too.
    ///
    /// - Throws: ``CacheError/Code/encoding``.
    public func encode<Value: Encodable & MessagePackEncodable>(_ value: Value) throws(CacheError) -> [UInt8] {
        var writer = MessagePackWriter()
        try value.encode(to: &writer)
        return try finish(writer.finish())
    }

    private func finish(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        isCanonical ? try MessagePackCanonicalizer.canonicalize(bytes) : bytes
    }
}
