internal import CacheKit
internal import CacheKitCore

/// Finding rows by the key that sealed them. No index has the fingerprint: rotations are rare, and each write would pay
/// for it. Tables are walked by row in small steps.
extension Reader {
    private static let rowsPerStep = 2048
    // Overflow first: a row that moves from there into the place of a deleted one is met at its new place.
    private static let tables: [RowTable] = [.overflow, .entries]

    func keyHistory() throws(CacheError) -> KeyHistory { try KeyHistory.read(meta, finder.codec.keys) }

    /// One step of the search for values that another key than this one sealed.
    func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) throws(CacheError) -> ResealStep {
        try keyHistory().requireNewest(fingerprint)
        let part = Int(cursor?.part ?? 0)
        var step = ResealStep()
        guard Self.tables.indices.contains(part), limit > 0 else { return step }
        let table = Self.tables[part]
        let start = cursor?.position ?? .min
        guard let (end, count) = try bound(table, after: start) else {
            step.next = part + 1 < Self.tables.count ? RowCursor(part: UInt8(part + 1), position: .min) : nil
            return step
        }
        let row = table == .entries ? "id" : "row"
        let select = try connection.prepare(
            """
            SELECT \(RowTable.columns), \(row), \(SettlementStatements.isSetAside) FROM \(table.name) r
            WHERE \(row) > ?1 AND \(row) <= ?2 AND key_fingerprint IS NOT NULL AND key_fingerprint <> ?3
            ORDER BY \(row)
            """)
        try select.bind(start, at: 1)
        try select.bind(end, at: 2)
        try select.bind(fingerprint.bytes, at: 3)
        let watermark = try watermark().sequence
        let protectsPending = try meta.sealed("has_remote", finder.codec.keys) == [1]
        var bytes = 0
        while try select.step() {
            let place = RowCursor(part: UInt8(part), position: select.integer(11))
            do throws(CacheError) {
                let (metadata, entry) = try finder.codec.entry(select, table: table)
                let isSettled = metadata.origin == .remote || metadata.sequence <= watermark
                if protectsPending, !isSettled || select.integer(12) != 0 {
                    step.waiting += 1
                } else {
                    step.rows.append(Change(key: try CacheKey(held: metadata.key), entry: entry))
                    bytes += entry.value?.count ?? 0
                }
            } catch  where error.code == .tamperedStore {
                step.unreadable += 1
            }
            if step.rows.count >= limit || bytes >= byteLimit {
                step.scanned = try rowCount(table, after: start, through: place.position)
                step.next = place
                return step
            }
        }
        step.scanned = count
        step.next = RowCursor(part: UInt8(part), position: end)
        return step
    }

    /// The last of the next rows, and how many they are; `nil` at the end.
    private func bound(_ table: RowTable, after start: Int64) throws(CacheError) -> (end: Int64, count: Int)? {
        let row = table == .entries ? "id" : "row"
        let select = try connection.prepare(
            """
            SELECT max(r), count(*) FROM (
                SELECT \(row) AS r FROM \(table.name) WHERE \(row) > ?1 ORDER BY \(row) LIMIT \(Self.rowsPerStep))
            """)
        try select.bind(start, at: 1)
        guard try select.step(), select.integer(1) > 0 else { return nil }
        return (select.integer(0), Int(select.integer(1)))
    }

    private func rowCount(_ table: RowTable, after start: Int64, through end: Int64) throws(CacheError) -> Int {
        let row = table == .entries ? "id" : "row"
        let select = try connection.prepare(
            "SELECT count(*) FROM \(table.name) WHERE \(row) > ?1 AND \(row) <= ?2")
        try select.bind(start, at: 1)
        try select.bind(end, at: 2)
        return try select.step() ? Int(select.integer(0)) : 0
    }

    /// Adds up what the next rows need of each key; gives where to go on.
    func addKeyUse(
        of rows: RowCursor?, to uses: inout [KeyFingerprint: KeyUse]
    ) throws(CacheError) -> RowCursor? {
        let part = Int(rows?.part ?? 0)
        guard Self.tables.indices.contains(part) else { return nil }
        let table = Self.tables[part]
        let start = rows?.position ?? .min
        guard let (end, _) = try bound(table, after: start) else {
            return RowCursor(part: UInt8(part + 1), position: .min)
        }
        let row = table == .entries ? "id" : "row"
        let watermark = try watermark().sequence
        let protectsPending = try meta.sealed("has_remote", finder.codec.keys) == [1]
        let select = try connection.prepare(
            """
            SELECT key_fingerprint, count(*), total(isAside), total(isPending AND NOT isAside) FROM (
                SELECT key_fingerprint, \(SettlementStatements.isSetAside) AS isAside, origin = 0 AND change_seq > ?3 AS isPending
                FROM \(table.name) r WHERE \(row) > ?1 AND \(row) <= ?2 AND key_fingerprint IS NOT NULL)
            GROUP BY key_fingerprint
            """)
        try select.bind(start, at: 1)
        try select.bind(end, at: 2)
        try select.bind(Int64(watermark), at: 3)
        while try select.step() {
            guard let fingerprint = KeyFingerprint(bytes: select.blob(0)) else { continue }
            let setAside = protectsPending ? Int(select.integer(2)) : 0
            let pending = protectsPending ? Int(select.integer(3)) : 0
            var use = uses[fingerprint] ?? KeyUse(fingerprint: fingerprint)
            use.setAsideRows += setAside
            use.pendingRows += pending
            use.settledRows += Int(select.integer(1)) - setAside - pending
            uses[fingerprint] = use
        }
        return RowCursor(part: UInt8(part), position: end)
    }

    /// Adds what the conflicts need.
    func addConflicts(to uses: inout [KeyFingerprint: KeyUse]) throws(CacheError) {
        let select = try connection.prepare(
            "SELECT key_fingerprint, count(*) FROM conflicts WHERE key_fingerprint IS NOT NULL GROUP BY key_fingerprint"
        )
        while try select.step() {
            guard let fingerprint = KeyFingerprint(bytes: select.blob(0)) else { continue }
            uses[fingerprint, default: KeyUse(fingerprint: fingerprint)].conflicts += Int(select.integer(1))
        }
    }
}
