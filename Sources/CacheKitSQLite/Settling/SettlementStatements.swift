internal import CacheKit
internal import CacheKitCore

/// The statements about changes that were set aside: dead letters and parked ones.
final class SettlementStatements {
    /// What says of a row, under the name `r`, that its change was set aside.
    static let isSetAside = """
        EXISTS (SELECT 1 FROM dead_letters d WHERE d.change_seq = r.change_seq)
        OR EXISTS (SELECT 1 FROM parked p WHERE p.change_seq = r.change_seq)
        """

    private let keys: FileKeys
    private let insertDeadLetter: PreparedStatement
    private let insertParked: PreparedStatement
    private let protects: PreparedStatement
    private let exists: PreparedStatement
    private let counts: [PreparedStatement]

    init(_ connection: SQLiteConnection, _ keys: FileKeys) throws(CacheError) {
        self.keys = keys
        insertDeadLetter = try connection.prepare(
            "INSERT OR REPLACE INTO dead_letters (change_seq, key_hash, sealed, dead_at) VALUES (?1, ?2, ?3, ?4)")
        insertParked = try connection.prepare(
            "INSERT OR REPLACE INTO parked (change_seq, key_hash, sealed, parked_at) VALUES (?1, ?2, ?3, ?4)")
        protects = try connection.prepare(
            """
            SELECT EXISTS (SELECT 1 FROM dead_letters WHERE change_seq = ?1)
                OR EXISTS (SELECT 1 FROM parked WHERE change_seq = ?1)
            """)
        // From the index alone.
        var counts: [PreparedStatement] = []
        for table in RowTable.allCases {
            counts.append(
                try connection.prepare(
                    "SELECT count(*) FROM \(table.name) WHERE change_seq > ?1 AND change_seq <= ?2 AND origin = 0"))
        }
        self.counts = counts
        exists = try connection.prepare(
            "SELECT EXISTS (SELECT 1 FROM dead_letters) OR EXISTS (SELECT 1 FROM parked)")
    }

    /// Keeps a dead letter: error code, a zero byte, message, a zero byte, key, sealed to the sequence.
    func insert(_ letter: DeadLetter, now: Timestamp) throws(CacheError) {
        let plaintext = "\(letter.reason.code)\0\(letter.reason.message)\0\(letter.key.string)"
        try insert(
            Array(plaintext.utf8), .deadLetter(sequence: letter.sequence.number), letter.key, letter.sequence,
            by: insertDeadLetter, now: now)
    }

    /// Keeps a parked change: reason, key, sealed to the sequence.
    func insert(_ change: ParkedChange, now: Timestamp) throws(CacheError) {
        try insert(
            [change.reason.rawValue] + change.key.string.utf8, .parked(sequence: change.sequence.number), change.key,
            change.sequence, by: insertParked, now: now)
    }

    private func insert(
        _ plaintext: [UInt8], _ record: SealedRecord, _ key: CacheKey, _ sequence: ChangeSequence,
        by statement: PreparedStatement, now: Timestamp
    ) throws(CacheError) {
        try statement.bind(Int64(clamping: sequence.number), at: 1)
        try statement.bind(keys.hash(key.string), at: 2)
        try statement.bind(keys.seal(plaintext, record), at: 3)
        try statement.bind(now.milliseconds, at: 4)
        try statement.run()
    }

    /// Whether a row's change was set aside and waits for a person.
    func isSetAside(sequence: UInt64) throws(CacheError) -> Bool {
        defer { protects.reset() }
        try protects.bind(Int64(clamping: sequence), at: 1)
        return try protects.step() && protects.integer(0) != 0
    }

    /// How many rows stand under changes of a part of the feed that were written here.
    func localChanges(after: UInt64, through: UInt64) throws(CacheError) -> Int {
        var sum = 0
        for count in counts {
            defer { count.reset() }
            try count.bind(Int64(clamping: after), at: 1)
            try count.bind(Int64(clamping: through), at: 2)
            if try count.step() { sum += Int(count.integer(0)) }
        }
        return sum
    }

    /// Whether any change was.
    func hasSetAside() throws(CacheError) -> Bool {
        defer { exists.reset() }
        return try exists.step() && exists.integer(0) != 0
    }
}
