public import CacheKitCore

/// Tells one stored value from another without holding it; 16 bytes.
///
/// Of a sealed value its last 16 bytes, which are the tag of its seal. Of a plain one the first 16 bytes of SHA-1 over the
/// length in decimal, a colon, and the bytes: all of them up to 64 KiB, of longer ones the first and the last 32 KiB, so that two long plain values which differ only in
/// between count as one. SHA-1 because Redis' scripts have it; nothing here defends against people who make collisions.
public struct ValueFingerprint: Hashable, Sendable {
    /// The largest plain value that is hashed whole, in bytes.
    public static let wholeByteCount = 64 << 10

    /// The first 8 bytes, big-endian.
    package let high: UInt64
    /// The last 8 bytes, big-endian.
    package let low: UInt64

    /// What stands for a tombstone: zeros.
    public static let none = ValueFingerprint(high: 0, low: 0)

    /// A fingerprint from its two halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A fingerprint from its 16 bytes; `nil` for another length.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The fingerprint of a value as Redis holds it. Linear in its length only for a plain one.
    public init(of value: [UInt8], form: ValueForm) throws(CacheError) {
        if case .sealed = form, value.count >= 16 {
            self = value.withUnsafeBytes { Self(loading: $0, at: value.count - 16) }
            return
        }
        let length = Array("\(value.count):".utf8)
        let digest = try length.withUnsafeBytesTyped { length throws(CacheError) in
            try value.withUnsafeBytesTyped { value throws(CacheError) in
                guard value.count > Self.wholeByteCount else { return try SHA1.digest(length, value) }
                let half = Self.wholeByteCount / 2
                return try SHA1.digest(
                    length, UnsafeRawBufferPointer(rebasing: value[..<half]),
                    UnsafeRawBufferPointer(rebasing: value[(value.count - half)...]))
            }
        }
        self = digest.withUnsafeBytes { Self(loading: $0, at: 0) }
    }

    /// Whether this is the fingerprint of a value, in either form; that of a tombstone is no value's.
    ///
    /// Linear in the value's length only where it is not a sealed one with this tag.
    public func isOf(_ value: [UInt8]) -> Bool {
        guard self != .none else { return false }
        if value.count >= 16, value.withUnsafeBytes({ Self(loading: $0, at: value.count - 16) }) == self { return true }
        return (try? Self(of: value, form: .plain)) == self
    }

    /// A fingerprint from the 16 bytes at an offset; whoever calls has checked the length.
    package init(loading bytes: UnsafeRawBufferPointer, at offset: Int) {
        high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    }

    /// The 16 bytes.
    public var bytes: [UInt8] {
        [high, low].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error, which the standard library's does not carry.
    fileprivate func withUnsafeBytesTyped<Output>(
        _ body: (UnsafeRawBufferPointer) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        try withUnsafeBufferPointer { bytes throws(CacheError) in try body(UnsafeRawBufferPointer(bytes)) }
    }
}
