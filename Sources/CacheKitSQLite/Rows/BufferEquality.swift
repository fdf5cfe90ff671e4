#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension UnsafeRawBufferPointer {
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
