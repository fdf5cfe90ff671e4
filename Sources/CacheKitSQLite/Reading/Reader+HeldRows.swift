internal import CacheKit
internal import CacheKitCore

/// Walking all rows without their values, in the order in which they lie in the file.
extension Reader {
    func heldRows(after cursor: RowCursor?, limit: Int) throws(CacheError) -> HeldRows {
        let part = Int(cursor?.part ?? 0)
        var page = HeldRows()
        guard RowTable.walkingOrder.indices.contains(part), limit > 0 else { return page }
        let table = RowTable.walkingOrder[part]
        let row = table.rowName
        // Usually nothing was set aside, and no row has to be looked for there.
        let hasSetAside = try connection.integer(
            "SELECT EXISTS (SELECT 1 FROM dead_letters) OR EXISTS (SELECT 1 FROM parked)")
        let select = try connection.prepare(
            """
            SELECT \(RowTable.columnsBesideValue), \(row), \(hasSetAside == 0 ? "0" : SettlementStatements.isSetAside)
            FROM \(table.name) r WHERE \(row) > ?1 ORDER BY \(row) LIMIT ?2
            """)
        try select.bind(cursor?.position ?? .min, at: 1)
        try select.bind(Int64(limit), at: 2)
        let watermark = try watermark().sequence
        page.rows.reserveCapacity(limit)
        var count = 0
        var position = Int64.min
        while try select.step() {
            count += 1
            position = select.integer(10)
            guard let metadata = try? finder.codec.metadataBesideValue(select, table: table),
                let key = try? CacheKey(held: metadata.key)
            else {
                page.unreadable += 1
                continue
            }
            if metadata.origin == .local, metadata.sequence > watermark {
                page.pending += 1
            } else if select.integer(11) != 0 {
                page.setAside += 1
            } else {
                page.rows.append(HeldRow(key, metadata))
            }
        }
        if count == limit {
            page.next = RowCursor(part: UInt8(part), position: position)
        } else if part + 1 < RowTable.walkingOrder.count {
            page.next = RowCursor(part: UInt8(part + 1), position: .min)
        }
        return page
    }
}

extension HeldRow {
    fileprivate init(_ key: CacheKey, _ metadata: RowMetadata) {
        // What was sealed anew is not what the remote holds: that stands in the base. What was given up on is another value
        // than that, and has to be looked at.
        let fingerprint =
            metadata.isGivenUp
            ? .none
            : metadata.isResealed
                ? metadata.base.fingerprints.first ?? .none : ValueFingerprint(metadata.valueFingerprint)
        self.init(
            key: key, sequence: ChangeSequence(metadata.sequence), version: metadata.version, fingerprint: fingerprint,
            isSealed: metadata.fingerprint != nil, byteCount: metadata.valueLength, isTombstone: metadata.isTombstone,
            isNegative: metadata.isNegative, staleAt: Timestamp(milliseconds: metadata.staleAt))
    }
}
