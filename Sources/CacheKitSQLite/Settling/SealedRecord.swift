internal import CacheKitCore

/// A record of a table beside those of rows, and where it stands: its seal is bound to both.
enum SealedRecord {
    case deadLetter(sequence: UInt64)
    case parked(sequence: UInt64)
    case marks(page: Int64)
    case conflict(hash: [UInt8], sequence: UInt64)

    /// The purpose in the associated data.
    var purpose: UInt8 {
        switch self {
        case .deadLetter: 3
        case .parked: 4
        case .marks: 5
        case .conflict: 6
        }
    }

    /// What follows it there.
    var suffix: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .deadLetter(let sequence), .parked(let sequence): bytes.append(bigEndian: sequence)
        case .marks(let page): bytes.append(bigEndian: UInt64(bitPattern: page))
        case .conflict(let hash, let sequence):
            bytes += hash
            bytes.append(bigEndian: sequence)
        }
        return bytes
    }
}
