extension MessagePackValue {
    /// Reads one JSON value (RFC 8259), UTF-8.
    ///
    /// `{"$bytes": "00ff"}` gives bytes and `{"$float": "nan"}` a float that JSON lacks; a map that
    /// only looks so has one `$` more. `2.0` stays a float, `2` an integer.
    ///
    /// - Throws: ``CacheError/Code/decoding``, with the byte where it stands. Complexity: O(bytes).
    public init(json: [UInt8]) throws(CacheError) {
        var reader = JSONReader(json)
        self = try reader.document()
    }

    /// The value as JSON on one line, UTF-8; ``init(json:)`` reads the same value back.
    public var json: [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return writer.bytes
    }
}
