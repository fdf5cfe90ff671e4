import COpenSSL

/// Bytes that nobody can predict, from OpenSSL's random generator (seeded by the operating system, safe across a fork).
public enum RandomBytes {
    /// Draws `count` bytes.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` when the generator fails.
    public static func draw(_ count: Int) throws(CacheError) -> [UInt8] {
        _ = OpenSSLLifetime.isExtended
        var succeeded = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            succeeded = count == 0 || RAND_bytes(buffer.baseAddress, Int32(count)) == 1
            initialized = succeeded ? count : 0
        }
        guard succeeded else {
            throw CacheError(.internalFault, "the random generator failed; check the system's entropy source")
        }
        return bytes
    }
}
