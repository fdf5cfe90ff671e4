/// Decodes `Decodable` types from exactly one MessagePack document, in the shape of Foundation's coders.
///
/// The document is checked against every bound of protocol section 3 before anything is decoded. Integers and floats of
/// any width are accepted where the value fits; a float field takes an integer that it holds exactly. Unknown keys
/// are ignored; of a key that comes twice, one is taken.
public struct MessagePackDecoder: Sendable {
    /// The default of ``maximumDepth``.
    public static let defaultMaximumDepth = 128
    /// The greatest ``maximumDepth``.
    public static let greatestMaximumDepth = 1024

    /// Nested containers allowed, default 128; clamped to 32...1,024.
    public var maximumDepth: Int {
        didSet { maximumDepth = Self.clamped(maximumDepth) }
    }
    /// Handed to the `init(from:)` of the types, as `Decoder.userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    /// A decoder.
    public init(maximumDepth: Int = Self.defaultMaximumDepth) {
        self.maximumDepth = Self.clamped(maximumDepth)
    }

    private static func clamped(_ depth: Int) -> Int {
        min(max(depth, 32), greatestMaximumDepth)
    }

    /// Decodes a type from one document.
    ///
    /// - Throws: ``CacheError/Code/decoding``; its cause is the `DecodingError` without values, where there was one.
    public func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(CacheError) -> Value {
        let reader = try MessagePackReader(validating: bytes, maximumDepth: maximumDepth)
        let document = DecodingDocument(owner: bytes, cursor: reader.cursor, userInfo: userInfo)
        do {
            return try document.decode(type, at: 0, parent: nil, key: nil)
        } catch {
            throw CodableFailure.decoding(error)
        }
    }

    /// Decodes a type that reads itself, without Codable's containers.
    ///
    /// - Throws: ``CacheError/Code/decoding``.
    public func decode<Value: MessagePackDecodable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(CacheError) -> Value {
        try read(type, from: bytes)
    }

    /// Decodes a type that reads itself, although it is `Decodable` too.
    ///
    /// - Throws: ``CacheError/Code/decoding``.
    public func decode<Value: Decodable & MessagePackDecodable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(CacheError) -> Value {
        try read(type, from: bytes)
    }

    private func read<Value: MessagePackDecodable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(CacheError) -> Value {
        var reader = try MessagePackReader(validating: bytes, maximumDepth: maximumDepth)
        let value = try Value(from: &reader)
        guard reader.isAtEnd else { throw MessagePackFault.unconsumed.error }
        return value
    }
}
