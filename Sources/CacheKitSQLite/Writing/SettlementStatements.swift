internal import CacheKit
internal import CacheKitCore

/// The statements about changes that were set aside.
final class SettlementStatements {
    private let insertDeadLetter: PreparedStatement
    private let protects: PreparedStatement

    init(_ connection: SQLiteConnection) throws(CacheError) {
        insertDeadLetter = try connection.prepare(
            "INSERT OR REPLACE INTO dead_letters (change_seq, key_hash, sealed, dead_at) VALUES (?1, ?2, ?3, ?4)")
        protects = try connection.prepare(
            """
            SELECT EXISTS (SELECT 1 FROM dead_letters WHERE change_seq = ?1)
                OR EXISTS (SELECT 1 FROM parked WHERE change_seq = ?1)
                OR EXISTS (SELECT 1 FROM conflicts WHERE key_hash = ?2)
            """)
    }

    /// Keeps a dead letter: error code, a zero byte, message, a zero byte, key, sealed to the sequence.
    func insert(_ letter: DeadLetter, _ codec: RowCodec, now: Timestamp) throws(CacheError) {
        let plaintext = "\(letter.reason.code)\0\(letter.reason.message)\0\(letter.key.string)"
        try insertDeadLetter.bind(Int64(letter.sequence.number), at: 1)
        try insertDeadLetter.bind(codec.hash(letter.key).bytes, at: 2)
        try insertDeadLetter.bind(
            codec.keys.sealOutcome(Array(plaintext.utf8), sequence: letter.sequence.number), at: 3)
        try insertDeadLetter.bind(now.milliseconds, at: 4)
        try insertDeadLetter.run()
    }

    /// Whether a row's change was set aside and waits for a person.
    func isSetAside(sequence: UInt64, hash: [UInt8]) throws(CacheError) -> Bool {
        defer { protects.reset() }
        try protects.bind(Int64(sequence), at: 1)
        try protects.bind(hash, at: 2)
        return try protects.step() && protects.integer(0) != 0
    }
}
