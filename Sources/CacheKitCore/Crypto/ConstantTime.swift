import COpenSSL

/// Comparison whose time tells nothing about the bytes.
public enum ConstantTime {
    /// Whether two buffers hold the same bytes, in time that depends on their counts only.
    public static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let leftAddress = left.baseAddress, let rightAddress = right.baseAddress else { return true }
        return CRYPTO_memcmp(leftAddress, rightAddress, left.count) == 0
    }

    /// Whether two arrays hold the same bytes, in time that depends on their counts only.
    public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { right in equal(left, right) } }
    }
}
