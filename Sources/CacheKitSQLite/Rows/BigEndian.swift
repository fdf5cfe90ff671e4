#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension [UInt8] {
    /// Appends an integer, most significant byte first.
    mutating func append<Integer: FixedWidthInteger>(bigEndian integer: Integer) {
        Swift.withUnsafeBytes(of: integer.bigEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// The integer at an offset, most significant byte first; the caller has checked the length.
    func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type = Integer.self
    ) -> Integer {
        Integer(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Whether an array has the same bytes.
    func isEqual(to bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { isEqual(to: $0) }
    }

    /// Whether another buffer has the same bytes; of use only where they are no secret.
    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let start = baseAddress, let otherStart = other.baseAddress else { return true }
        return memcmp(start, otherStart, count) == 0
    }
}
