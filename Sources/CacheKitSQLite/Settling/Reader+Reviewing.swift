internal import CacheKit
internal import CacheKitCore

/// What people are shown of changes that did not simply reach the remote.
extension Reader {
    static let mostReviewed = 1_000

    func changesSetAside(
        _ kind: SetAsideChange.Kind, after: ChangeSequence, limit: Int
    ) throws(CacheError) -> ReviewPage<SetAsideChange> {
        let limit = max(1, min(limit, Self.mostReviewed))
        let select = try connection.prepare(
            """
            SELECT change_seq, sealed, \(kind.timeColumn) FROM \(kind.table) WHERE change_seq > ?1
            ORDER BY change_seq LIMIT ?2
            """)
        try select.bind(Int64(clamping: after.number), at: 1)
        try select.bind(Int64(limit), at: 2)
        var page = ReviewPage<SetAsideChange>(elements: [], next: nil)
        var last = after
        var count = 0
        while try select.step() {
            count += 1
            last = ChangeSequence(UInt64(bitPattern: select.integer(0)))
            guard let record = SetAsideRecord(select.bytes(1), kind, sequence: last.number, finder.codec.keys),
                let row = try standing(record.key)
            else {
                page.unreadable += 1
                continue
            }
            page.elements.append(
                SetAsideChange(
                    sequence: last, key: record.key, reason: record.reason,
                    setAsideAt: Timestamp(milliseconds: select.integer(2)),
                    row: row.flatMap { $0.sequence == last ? $0 : nil }))
        }
        if count == limit { page.next = last }
        return page
    }

    func conflicts(after: ChangeSequence, limit: Int) throws(CacheError) -> ReviewPage<KeptConflict> {
        let limit = max(1, min(limit, Self.mostReviewed))
        let select = try connection.prepare(
            "SELECT \(ConflictRecord.columns) FROM conflicts WHERE change_seq > ?1 ORDER BY change_seq LIMIT ?2")
        try select.bind(Int64(clamping: after.number), at: 1)
        try select.bind(Int64(limit), at: 2)
        var page = ReviewPage<KeptConflict>(elements: [], next: nil)
        var last = after
        var count = 0
        while try select.step() {
            count += 1
            last = ChangeSequence(UInt64(bitPattern: select.integer(1)))
            guard let record = try? ConflictRecord(select, finder.codec), let key = try? CacheKey(held: record.row.key),
                let standing = try standing(key)
            else {
                page.unreadable += 1
                continue
            }
            page.elements.append(
                KeptConflict(
                    key: key, loss: record.loss, lostAt: Timestamp(milliseconds: record.lostAt),
                    loser: ReviewedRow(record.row), isValueKept: record.isValueKept, standing: standing))
        }
        if count == limit { page.next = last }
        return page
    }

    /// The row of a key, perhaps none; `nil` where it does not authenticate.
    private func standing(_ key: CacheKey) throws(CacheError) -> ReviewedRow?? {
        do throws(CacheError) {
            return .some(
                try finder.withRow(finder.codec.hash(key)) { table, row throws(CacheError) in
                    try row.map { row throws(CacheError) in
                        ReviewedRow(try finder.codec.metadata(row, table: table, expecting: key))
                    }
                })
        } catch  where error.code == .tamperedStore {
            return nil
        }
    }

    func loser(_ change: ChangeSequence) throws(CacheError) -> Change? {
        let select = try connection.prepare(
            "SELECT \(ConflictRecord.columns) FROM conflicts WHERE change_seq = ?1 LIMIT 1")
        try select.bind(Int64(clamping: change.number), at: 1)
        guard try select.step() else { return nil }
        let record = try ConflictRecord(select, finder.codec)
        let row = record.row
        guard let key = try? CacheKey(held: row.key) else { throw RowCodec.tampered }
        var value: [UInt8]?
        if record.isValueKept {
            if row.fingerprint == nil { _ = try finder.codec.keys.valueKey() }
            value =
                row.fingerprint != nil
                ? select.bytes(4)
                : try? finder.codec.keys.openValue(select.blob(4), hash: select.blob(0), version: row.version)
            guard value != nil else { throw RowCodec.tampered }
        }
        return Change(
            key: key,
            entry: StoredEntry(
                value: value, form: row.fingerprint.map { .sealed($0) } ?? .plain, mode: row.mode,
                version: row.version, sequence: change, origin: row.origin,
                expiresAt: Timestamp(milliseconds: row.expiresAt), staleAt: Timestamp(milliseconds: row.staleAt),
                base: row.base.fingerprints))
    }
}
