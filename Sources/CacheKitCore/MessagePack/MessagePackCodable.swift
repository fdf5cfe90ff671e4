/// A type that writes itself as one MessagePack value, without Codable's containers.
///
/// ``MessagePackEncoder`` uses it wherever it meets such a type, also inside types that are merely `Encodable`.
public protocol MessagePackEncodable {
    /// Writes exactly one value (a container with all its elements is one).
    func encode(to writer: inout MessagePackWriter) throws(CacheError)
}

/// A type that reads itself from one MessagePack value, without Codable's containers.
///
/// ``MessagePackDecoder`` uses it wherever it meets such a type, also inside types that are merely `Decodable`.
public protocol MessagePackDecodable {
    /// Reads exactly one value; skip what is not of interest.
    init(from reader: inout MessagePackReader) throws(CacheError)
}

/// A type that both writes and reads itself as one MessagePack value.
public typealias MessagePackCodable = MessagePackEncodable & MessagePackDecodable

extension Array: MessagePackEncodable where Element == UInt8 {
    /// Writes a byte string, not an array of integers.
    public func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        writer.write(bytes: self)
    }
}

extension Array: MessagePackDecodable where Element == UInt8 {
    /// Reads a byte string, or an array of integers 0...255.
    public init(from reader: inout MessagePackReader) throws(CacheError) {
        self = try reader.readBytes()
    }
}
