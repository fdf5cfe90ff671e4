internal import CacheKit
internal import CacheKitCore

/// The table `conflicts`: values that lost against the remote's, kept for the report within a bound.
final class ConflictTable {
    /// How many are kept; the oldest go first.
    static let maximumCount = 1000
    /// Bytes of values that are kept, but at most one part in `fileShare` of the file's bound.
    static let maximumBytes = 16 << 20
    static let fileShare = 16

    /// Bytes of values that this file keeps.
    let byteLimit: Int
    private let keys: FileKeys
    private let insert: PreparedStatement
    private let sizes: PreparedStatement
    private let removeOldest: PreparedStatement

    init(_ connection: SQLiteConnection, _ file: OpenedFile) throws(CacheError) {
        byteLimit = min(Self.maximumBytes, file.configuration.sizeLimit / Self.fileShare)
        keys = file.keys
        insert = try connection.prepare(
            """
            INSERT INTO conflicts (key_hash, change_seq, sealed_meta, key_fingerprint, lost_at, value)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """)
        // The length of a value stands in the row's header: none is read.
        sizes = try connection.prepare("SELECT conflict, length(value) FROM conflicts ORDER BY conflict DESC")
        removeOldest = try connection.prepare("DELETE FROM conflicts WHERE conflict <= ?1")
    }

    /// Keeps a row that lost, its value column as it stood there.
    func keep(
        _ row: RowMetadata, _ value: [UInt8]?, hash: KeyHash, _ loss: Resolution.Loss, now: Timestamp
    ) throws(CacheError) {
        let record = ConflictRecord(loss: loss, lostAt: now.milliseconds, isValueKept: value != nil, row: row)
        try insert.bind(hash.bytes, at: 1)
        try insert.bind(Int64(row.sequence), at: 2)
        try insert.bind(keys.seal(record.encoded, .conflict(hash: hash.bytes, sequence: row.sequence)), at: 3)
        try insert.bind(record.fingerprint?.bytes, at: 4)
        try insert.bind(now.milliseconds, at: 5)
        try insert.run(value, at: 6)
    }

    /// Deletes the oldest until the rest is within the bound.
    func trim() throws(CacheError) {
        guard let last = try lastBeyondBound() else { return }
        try removeOldest.bind(last, at: 1)
        try removeOldest.run()
    }

    private func lastBeyondBound() throws(CacheError) -> Int64? {
        defer { sizes.reset() }
        var count = 0
        var bytes = 0
        while try sizes.step() {
            count += 1
            bytes += Int(sizes.integer(1))
            if count > Self.maximumCount || bytes > byteLimit { return sizes.integer(0) }
        }
        return nil
    }
}
