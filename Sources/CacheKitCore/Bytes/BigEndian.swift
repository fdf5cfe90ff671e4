extension [UInt8] {
    /// Appends an integer, most significant byte first.
    @inlinable
    package mutating func append<Integer: FixedWidthInteger>(bigEndian integer: Integer) {
        // One append of all bytes instead of one for each.
        Swift.withUnsafeBytes(of: integer.bigEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// The integer at an offset, most significant byte first; the caller has checked the length.
    @inlinable
    package func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type = Integer.self
    ) -> Integer {
        Integer(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}
