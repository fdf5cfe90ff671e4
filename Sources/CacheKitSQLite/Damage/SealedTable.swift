internal import CacheKit
internal import CacheKitCore

/// A table beside those of rows whose records are sealed one by one.
enum SealedTable: String, CaseIterable {
    case deadLetters = "dead_letters"
    case parked
    case conflicts
    case marks

    /// The column of the integer key.
    var key: String {
        switch self {
        case .deadLetters, .parked: "change_seq"
        case .conflicts: "conflict"
        case .marks: "bucket"
        }
    }

    /// Every column but the key.
    var columns: [String] {
        switch self {
        case .deadLetters: ["key_hash", "sealed", "dead_at"]
        case .parked: ["key_hash", "sealed", "parked_at"]
        case .conflicts: ["key_hash", "change_seq", "sealed_meta", "key_fingerprint", "value", "lost_at"]
        case .marks: ["sealed"]
        }
    }

    /// Reads every record: its key, and whether it authenticates.
    func forEach(
        _ connection: SQLiteConnection, _ codec: RowCodec, _ body: (Int64, Bool) throws(CacheError) -> Void
    ) throws(CacheError) {
        let columns =
            switch self {
            case .deadLetters, .parked, .marks: "sealed"
            case .conflicts: ConflictRecord.columns
            }
        let select = try connection.prepare("SELECT \(columns), \(key) FROM \(rawValue)")
        while try select.step() {
            let number = select.integer(self == .conflicts ? 6 : 1)
            try body(number, isIntact(select, number, codec))
        }
    }

    private func isIntact(_ row: PreparedStatement, _ number: Int64, _ codec: RowCodec) -> Bool {
        let sequence = UInt64(bitPattern: number)
        return switch self {
        case .deadLetters: (try? codec.keys.open(row.bytes(0), .deadLetter(sequence: sequence))) != nil
        case .parked: (try? codec.keys.open(row.bytes(0), .parked(sequence: sequence))) != nil
        case .conflicts: (try? ConflictRecord(row, codec)) != nil
        case .marks: (try? MarksTable.open(row.bytes(0), number, codec.keys)) != nil
        }
    }
}
