internal import CacheKit
internal import CacheKitCore

/// What `sealed_meta` says of a row: the key's name, what the remote may hold, and a second copy of every column but
/// `accessed_at`.
///
/// Plaintext, big-endian: layout (1), mode (1), flags (1), origin (1), version (16), change_seq (8), expires_at (8),
/// stale_at (8), key fingerprint (16, zeros without one), value length (4), value tag (16), value digest (16), base length
/// (1), base, key.
struct RowMetadata: Equatable {
    static let layout: UInt8 = 1
    static let fixedByteCount = 97
    /// The longest plaintext: what claims to be longer is no metadata.
    static let maximumByteCount = fixedByteCount + RowBase.maximumByteCount + CacheKey.maximumByteCount
    private static let tombstoneFlag: UInt8 = 1
    private static let sealedFlag: UInt8 = 2
    private static let resealedFlag: UInt8 = 4
    private static let sealedBaseFlag: UInt8 = 8
    private static let anyAgeFlag: UInt8 = 16
    private static let givenUpFlag: UInt8 = 32
    private static let negativeFlag: UInt8 = 64
    private static let keptFlag: UInt8 = 128

    var mode: NamespaceMode
    var version: Version
    var sequence: UInt64
    var origin: EntryOrigin
    var expiresAt: Int64
    var staleAt: Int64
    var fingerprint: KeyFingerprint?
    var isTombstone: Bool
    /// Length and last 16 bytes of the value column: together with the seal around them they bind value and row.
    var valueLength: Int
    var valueTag: UInt128
    /// Digest of a value under the tenant's key, which this module can't open; fingerprint of a plain one, of which 0 says that
    /// an older version wrote it; 0 for a tombstone.
    var valueDigest: UInt128
    /// What this node knows the remote may hold.
    var base: RowBase
    var key: String
    /// Sealed anew since it was synchronised, or given up on: the remote holds what `base` says, not this value.
    var isResealed = false
    /// The base stands in its column too, as older versions wrote it. Nothing is written so any more: a fingerprint that no key
    /// is needed for tells whoever reads it what a plain value is not, and by trying what it is.
    var hasBaseColumn = false
    /// Somebody decided that it is sent however old it is.
    var isSentAtAnyAge = false
    /// Somebody decided that it is never sent: the value is not the one that the base stands for.
    var isGivenUp = false
    /// A negative result: the value is empty and says that there is none.
    var isNegative = false
    /// The life of the value begins when it is first sent.
    var isKeptUntilSent = false

    /// The plaintext.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.fixedByteCount + base.byteCount + key.utf8.count)
        let flags =
            (isTombstone ? Self.tombstoneFlag : 0) | (fingerprint == nil ? 0 : Self.sealedFlag)
            | (isResealed ? Self.resealedFlag : 0) | Self.sealedBaseFlag
            | (isSentAtAnyAge ? Self.anyAgeFlag : 0) | (isGivenUp ? Self.givenUpFlag : 0)
            | (isNegative ? Self.negativeFlag : 0)
            | (isKeptUntilSent ? Self.keptFlag : 0)
        bytes += [Self.layout, mode.rawValue, flags, origin.rawValue]
        bytes.append(bigEndian: version.stamp)
        bytes.append(bigEndian: version.node)
        bytes.append(bigEndian: sequence)
        bytes.append(bigEndian: UInt64(bitPattern: expiresAt))
        bytes.append(bigEndian: UInt64(bitPattern: staleAt))
        bytes.append(bigEndian: fingerprint?.high ?? 0)
        bytes.append(bigEndian: fingerprint?.low ?? 0)
        bytes.append(bigEndian: UInt32(valueLength))
        bytes.append(bigEndian: valueTag)
        bytes.append(bigEndian: valueDigest)
        bytes.append(UInt8(base.byteCount))
        base.append(to: &bytes)
        bytes += key.utf8
        return bytes
    }

    /// The last 16 bytes of a value as a number, filled up with zeros in front; 0 for a tombstone.
    static func tag(of value: UnsafeRawBufferPointer) -> UInt128 {
        guard value.count < 16 else { return value.bigEndian(at: value.count - 16) }
        return value.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// The first 16 bytes of a value's SHA-256.
    static func digest(of value: UnsafeRawBufferPointer) throws(CacheError) -> UInt128 {
        try SHA256.withDigest(ofPublic: value) { $0.bigEndian(at: 0) }
    }

    /// The digest of a value in an array.
    static func digest(of value: [UInt8]) throws(CacheError) -> UInt128 {
        try SHA256.digest(value).withUnsafeBytes { $0.bigEndian(at: 0) }
    }
}

extension RowMetadata {
    /// Reads an authenticated plaintext; `nil` if it is not well formed, or names another key than the expected one.
    init?(_ bytes: UnsafeRawBufferPointer, expecting expected: CacheKey? = nil) {
        guard bytes.count > Self.fixedByteCount, bytes[0] == Self.layout,
            let mode = NamespaceMode(rawValue: bytes[1]), let origin = EntryOrigin(rawValue: bytes[3])
        else { return nil }
        let flags = bytes[2]
        self.mode = mode
        self.origin = origin
        isTombstone = flags & Self.tombstoneFlag != 0
        isResealed = flags & Self.resealedFlag != 0
        hasBaseColumn = flags & Self.sealedBaseFlag == 0
        isSentAtAnyAge = flags & Self.anyAgeFlag != 0
        isGivenUp = flags & Self.givenUpFlag != 0
        isNegative = flags & Self.negativeFlag != 0
        isKeptUntilSent = flags & Self.keptFlag != 0
        version = Version(stamp: bytes.bigEndian(at: 4), node: bytes.bigEndian(at: 12))
        sequence = bytes.bigEndian(at: 20)
        expiresAt = bytes.bigEndian(at: 28)
        staleAt = bytes.bigEndian(at: 36)
        fingerprint =
            flags & Self.sealedFlag == 0
            ? nil : KeyFingerprint(high: bytes.bigEndian(at: 44), low: bytes.bigEndian(at: 52))
        valueLength = Int(bytes.bigEndian(at: 60, as: UInt32.self))
        valueTag = bytes.bigEndian(at: 64)
        valueDigest = bytes.bigEndian(at: 80)
        let baseCount = Int(bytes[96])
        let keyStart = Self.fixedByteCount + baseCount
        guard bytes.count > keyStart,
            let base = RowBase(UnsafeRawBufferPointer(rebasing: bytes[Self.fixedByteCount..<keyStart]))
        else { return nil }
        self.base = base
        let name = UnsafeRawBufferPointer(rebasing: bytes[keyStart...])
        guard let expected else {
            key = String(decoding: name, as: UTF8.self)
            return
        }
        // Compared where they lie: a string of its own would cost every read an allocation.
        let isExpected =
            expected.string.utf8.withContiguousStorageIfAvailable { name.isEqual(to: UnsafeRawBufferPointer($0)) }
            ?? name.elementsEqual(expected.string.utf8)
        guard isExpected else { return nil }
        key = expected.string
    }
}
