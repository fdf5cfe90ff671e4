import COpenSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Key bytes in memory of their own: locked, left out of core dumps, zeroed when released, never printed.
///
/// Each secret has its own pages, because locks on memory do not nest: unlocking one of two secrets that share a page
/// would unlock both. Locking is best effort: where the process may not lock (`RLIMIT_MEMLOCK`), the bytes can reach
/// swap, and ``isLocked`` says so. Zeroing and leaving out of dumps do not depend on it.
public final class SecretBytes: @unchecked Sendable {
    // @unchecked because of the pointer: the bytes are written in `init` only, and freed when no reference is left.
    private let storage: UnsafeMutableRawBufferPointer
    private let mappedByteCount: Int
    /// For tests: sees the bytes as they are given back to the system.
    private let onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    /// Whether the operating system keeps the bytes out of swap.
    public let isLocked: Bool

    /// Number of bytes; at least 1.
    public var count: Int { storage.count }

    /// Allocates zeroed bytes and lets `body` fill them.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for a count below 1, ``CacheError/Code/internalFault`` when the system
    ///   gives no memory, and what `body` throws; the bytes are zeroed and released then.
    public convenience init(
        count: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws(CacheError) -> Void
    ) throws(CacheError) {
        try self.init(count: count, onRelease: nil, initializingWith: body)
    }

    init(
        count: Int, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?,
        initializingWith body: (UnsafeMutableRawBufferPointer) throws(CacheError) -> Void
    ) throws(CacheError) {
        guard count > 0, count <= 1 << 24 else {
            throw CacheError(.invalidArgument, "a secret has 1 to 16777216 bytes, not \(count)")
        }
        self.onRelease = onRelease
        _ = OpenSSLLifetime.isExtended
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        mappedByteCount = (count + page - 1) / page * page
        let address = mmap(nil, mappedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, Int(bitPattern: address) != -1 else {
            throw CacheError(.internalFault, "the system gives no memory for a key; free some memory")
        }
        isLocked = mlock(address, mappedByteCount) == 0
        #if os(Linux)
            _ = madvise(address, mappedByteCount, MADV_DONTDUMP)
        #endif
        storage = UnsafeMutableRawBufferPointer(start: address, count: count)
        try body(storage)
    }

    /// Copies bytes; the caller zeroes its own.
    public convenience init(copying bytes: UnsafeRawBufferPointer) throws(CacheError) {
        try self.init(count: bytes.count) { storage throws(CacheError) in storage.copyMemory(from: bytes) }
    }

    /// Draws bytes from OpenSSL's random generator for private values.
    public static func random(count: Int) throws(CacheError) -> SecretBytes {
        try SecretBytes(count: count) { storage throws(CacheError) in
            guard RAND_priv_bytes(storage.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(storage.count)) == 1
            else { throw CacheError(.internalFault, "the random generator failed; check the system's entropy source") }
        }
    }

    deinit {
        OPENSSL_cleanse(storage.baseAddress, storage.count)
        onRelease?(UnsafeRawBufferPointer(storage))
        munmap(storage.baseAddress, mappedByteCount)
    }

    /// Lends the bytes; the pointer must not leave `body`, and the bytes should not be copied.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withExtendedLifetime(self) { () throws(Failure) -> Result in try body(UnsafeRawBufferPointer(storage)) }
    }
}

extension SecretBytes: Equatable {
    /// Whether the bytes are equal, in time that depends on the count only.
    public static func == (left: SecretBytes, right: SecretBytes) -> Bool {
        left.withBytes { left in right.withBytes { right in ConstantTime.equal(left, right) } }
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: the count only.
    public var description: String { "SecretBytes(\(count) bytes)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
