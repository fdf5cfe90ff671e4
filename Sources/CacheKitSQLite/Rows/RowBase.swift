internal import CacheKit
internal import CacheKitCore

/// What the remote may hold of a key besides the row's own value: fingerprints, at most two.
///
/// The first is the last one that was acknowledged or read; where there was none, the first that may have been sent. The second
/// may have been sent since. 0 is none.
struct RowBase: Equatable, Sendable {
    static let maximumByteCount = 32

    let first: UInt128
    let second: UInt128

    /// The fingerprint of one value, or nothing for 0.
    init(_ fingerprint: UInt128 = 0) {
        first = fingerprint
        second = 0
    }

    private init(first: UInt128, second: UInt128) {
        self.first = first
        self.second = second
    }

    /// What the remote may hold once a value that may have been sent is overwritten; 0 for a delete.
    func adding(_ fingerprint: UInt128) -> RowBase {
        first == 0 || first == fingerprint
            ? RowBase(fingerprint) : RowBase(first: first, second: fingerprint)
    }

    /// None, one or two of 16 bytes.
    var byteCount: Int { first == 0 ? 0 : second == 0 ? 16 : 32 }

    func append(to bytes: inout [UInt8]) {
        if byteCount >= 16 { bytes.append(bigEndian: first) }
        if byteCount == 32 { bytes.append(bigEndian: second) }
    }

    /// As whoever sends the next change wants them.
    var fingerprints: [ValueFingerprint] {
        switch byteCount {
        case 0: []
        case 16: [ValueFingerprint(first)]
        default: [ValueFingerprint(first), ValueFingerprint(second)]
        }
    }
}

extension RowBase {
    /// Reads the bytes; `nil` if they are none. Zeros are no fingerprint.
    init?(_ bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 0: self.init()
        case 16: self.init(bytes.bigEndian(at: 0))
        case 32: self.init(first: bytes.bigEndian(at: 0), second: bytes.bigEndian(at: 16))
        default: return nil
        }
        if byteCount != bytes.count { return nil }
    }
}

extension ValueFingerprint {
    /// The 16 bytes as a number.
    init(_ number: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: number >> 64), low: UInt64(truncatingIfNeeded: number))
    }

    /// The 16 bytes as a number; 0 stands for a tombstone.
    var number: UInt128 { UInt128(high) << 64 | UInt128(low) }
}

extension RowMetadata {
    /// The fingerprint of the row's value; 0 for a tombstone and a negative result, of which the remote has no value, and where
    /// nobody noted that of a plain one.
    var valueFingerprint: UInt128 {
        if isNegative { return 0 }
        guard let fingerprint, !isTombstone else { return isTombstone ? 0 : valueDigest }
        if valueLength >= 16 { return valueTag }
        // No seal is that short; what is stands in the tag whole.
        var bytes: [UInt8] = []
        bytes.append(bigEndian: valueTag)
        let value = Array(bytes.suffix(valueLength))
        return (try? ValueFingerprint(of: value, form: .sealed(fingerprint)))?.number ?? 0
    }
}
