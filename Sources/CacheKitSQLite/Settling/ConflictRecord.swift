internal import CacheKit
internal import CacheKitCore

/// What `conflicts` says of a change that lost, beside its value.
struct ConflictRecord: Equatable {
    private static let headerByteCount = 10
    private static let valueKeptFlag: UInt8 = 1

    var loss: Resolution.Loss
    /// Unix milliseconds.
    var lostAt: Int64
    /// Whether its value was kept; one above the bound is not.
    var isValueKept: Bool
    /// The row as it stood, its base and its version with it.
    var row: RowMetadata

    /// The key that the kept value needs.
    var fingerprint: KeyFingerprint? { isValueKept ? row.fingerprint : nil }

    /// Loss (1), flags (1), lost_at (8), then what the row's own metadata was.
    var encoded: [UInt8] {
        var bytes = [loss.rawValue, isValueKept ? Self.valueKeptFlag : 0]
        bytes.append(bigEndian: UInt64(bitPattern: lostAt))
        return bytes + row.encoded
    }
}

extension ConflictRecord {
    static let columns = "key_hash, change_seq, sealed_meta, key_fingerprint, value, lost_at"

    /// Reads the row that a statement over ``columns`` stands on, and compares each of them.
    init(_ columns: PreparedStatement, _ codec: RowCodec) throws(CacheError) {
        let sequence = UInt64(bitPattern: columns.integer(1))
        guard let bytes = try? codec.keys.open(columns.bytes(2), .conflict(hash: columns.bytes(0), sequence: sequence)),
            let record = ConflictRecord(bytes), record.row.sequence == sequence,
            record.lostAt == columns.integer(5), columns.isNull(3) == (record.fingerprint == nil),
            KeyFingerprint(bytes: columns.blob(3)) == record.fingerprint,
            try record.isValue(columns.blob(4), isNull: columns.isNull(4))
        else { throw RowCodec.tampered }
        self = record
    }

    private init?(_ bytes: [UInt8]) {
        guard bytes.count > Self.headerByteCount, let loss = Resolution.Loss(rawValue: bytes[0]) else { return nil }
        let row = bytes.withUnsafeBytes { RowMetadata(UnsafeRawBufferPointer(rebasing: $0[Self.headerByteCount...])) }
        guard let row else { return nil }
        self.loss = loss
        isValueKept = bytes[1] & Self.valueKeptFlag != 0
        lostAt = bytes.withUnsafeBytes { $0.bigEndian(at: 2) }
        self.row = row
    }

    private func isValue(_ value: UnsafeRawBufferPointer, isNull: Bool) throws(CacheError) -> Bool {
        guard isValueKept else { return isNull }
        guard !isNull, value.count == row.valueLength, RowMetadata.tag(of: value) == row.valueTag else { return false }
        // A plain value is authenticated whole when it is opened.
        guard row.fingerprint != nil else { return true }
        return try RowMetadata.digest(of: value) == row.valueDigest
    }
}
