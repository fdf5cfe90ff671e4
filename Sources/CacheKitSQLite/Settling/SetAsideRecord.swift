internal import CacheKit
internal import CacheKitCore

/// What `dead_letters` or `parked` says of a change.
struct SetAsideRecord {
    let key: CacheKey
    let reason: SetAsideChange.Reason
}

extension SetAsideChange.Kind {
    var table: String { self == .deadLetter ? "dead_letters" : "parked" }

    /// The column that says when.
    var timeColumn: String { self == .deadLetter ? "dead_at" : "parked_at" }

    /// Where a record of it is sealed to.
    func place(_ sequence: UInt64) -> SealedRecord {
        self == .deadLetter ? .deadLetter(sequence: sequence) : .parked(sequence: sequence)
    }
}

extension SetAsideRecord {
    /// Opens a record; `nil` if it does not authenticate.
    init?(_ sealed: [UInt8], _ kind: SetAsideChange.Kind, sequence: UInt64, _ keys: FileKeys) {
        guard let bytes = try? keys.open(sealed, kind.place(sequence)) else { return nil }
        let name: ArraySlice<UInt8>
        switch kind {
        case .deadLetter:
            // Code, message, key; no key holds a zero byte.
            let texts = bytes.split(separator: 0, omittingEmptySubsequences: false)
            guard texts.count >= 3, let code = texts.first, let last = texts.last else { return nil }
            let message = texts.dropFirst().dropLast().joined(separator: [UInt8(ascii: " ")])
            reason = .refused(
                code: String(decoding: code, as: UTF8.self), message: String(decoding: Array(message), as: UTF8.self))
            name = last
        case .parked:
            guard let first = bytes.first, let why = ParkedChange.Reason(rawValue: first) else { return nil }
            reason = .parked(why)
            name = bytes.dropFirst()
        }
        guard let key = try? CacheKey(held: String(decoding: name, as: UTF8.self)) else { return nil }
        self.key = key
    }
}

extension ReviewedRow {
    init(_ row: RowMetadata) {
        self.init(
            sequence: ChangeSequence(row.sequence), version: row.version, origin: row.origin,
            isTombstone: row.isTombstone, byteCount: row.valueLength,
            expiresAt: Timestamp(milliseconds: row.expiresAt))
    }
}
