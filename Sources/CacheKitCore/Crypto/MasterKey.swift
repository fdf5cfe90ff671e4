import COpenSSL

/// The secret that everything else is derived from: 32 bytes or more, in locked and zeroed memory (protocol section 5).
public struct MasterKey: Sendable, Equatable {
    /// The fewest hex digits of a key.
    public static let minimumHexDigitCount = 64

    let secret: SecretBytes

    /// Takes exactly 32 bytes; the caller zeroes its own copy.
    ///
    /// - Throws: ``CacheError/Code/invalidMasterKey`` for another length.
    public init(bytes: [UInt8]) throws(CacheError) {
        guard bytes.count == 32 else {
            throw CacheError(.invalidMasterKey, "a raw master key has exactly 32 bytes, not \(bytes.count)")
        }
        secret = try SecretBytes(count: 32) { storage throws(CacheError) in storage.copyBytes(from: bytes) }
    }

    /// Reads hex digits: at least 64, an even number, upper or lower case, and nothing else. All of them count.
    ///
    /// - Throws: ``CacheError/Code/invalidMasterKey`` with what is wrong; never with a digit of the key.
    public init(hex: some Collection<UInt8>) throws(CacheError) {
        try Self.check(hex)
        secret = try SecretBytes(count: hex.count / 2) { storage throws(CacheError) in
            var index = hex.startIndex
            for offset in 0..<storage.count {
                let high = hexDigitValue(hex[index])
                hex.formIndex(after: &index)
                let low = hexDigitValue(hex[index])
                hex.formIndex(after: &index)
                storage[offset] = (high ?? 0) << 4 | (low ?? 0)
            }
        }
    }

    /// Reads hex digits, like ``init(hex:)-(Collection<UInt8>)``. The caller's string is not zeroed: prefer bytes.
    public init(hex: some StringProtocol) throws(CacheError) {
        try self.init(hex: hex.utf8)
    }

    private init(secret: SecretBytes) {
        self.secret = secret
    }

    /// Draws 32 random bytes.
    public static func generate() throws(CacheError) -> MasterKey {
        MasterKey(secret: try SecretBytes.random(count: 32))
    }

    /// Lends the key as lowercase hex digits, for `cachekit keys generate` to print once; zeroed afterwards.
    public func withHex<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let hex = UnsafeMutableRawBufferPointer.allocate(byteCount: secret.count * 2, alignment: 1)
        defer {
            OPENSSL_cleanse(hex.baseAddress, hex.count)
            hex.deallocate()
        }
        secret.withBytes { bytes in
            for (offset, byte) in bytes.enumerated() {
                hex[2 * offset] = hexDigit(byte >> 4)
                hex[2 * offset + 1] = hexDigit(byte & 15)
            }
        }
        return try body(UnsafeRawBufferPointer(hex))
    }

    private static func check(_ hex: some Collection<UInt8>) throws(CacheError) {
        func refuse(_ problem: String) -> CacheError {
            CacheError(
                .invalidMasterKey, "the master key \(problem); give at least 64 hex digits (`cachekit keys generate`)")
        }
        guard let first = hex.first else { throw refuse("is empty") }
        guard first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { throw refuse("starts with a sign") }
        if first == UInt8(ascii: "0"), let second = hex.dropFirst().first, second | 0x20 == UInt8(ascii: "x") {
            throw refuse("starts with 0x")
        }
        guard !hex.contains(where: { $0 == 32 || (9...13).contains($0) }) else { throw refuse("holds white space") }
        guard hex.allSatisfy({ hexDigitValue($0) != nil }) else { throw refuse("holds something else than hex digits") }
        guard hex.count.isMultiple(of: 2) else { throw refuse("has an odd number of hex digits") }
        guard hex.count >= minimumHexDigitCount else { throw refuse("has only \(hex.count) hex digits") }
    }
}

extension MasterKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "MasterKey(redacted)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
