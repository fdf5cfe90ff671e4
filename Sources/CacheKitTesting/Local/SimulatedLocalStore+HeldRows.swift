public import CacheKit
import CacheKitCore

extension SimulatedLocalStore {
    /// Rows without their values, in the order of their changes.
    public func heldRows(after cursor: RowCursor?, limit: Int) async throws(CacheError) -> HeldRows {
        try using { state in
            var page = HeldRows()
            let after = ChangeSequence(UInt64(cursor?.position ?? 0))
            let rows = state.file.rows.filter { $0.value.sequence > after }
                .sorted { $0.value.sequence < $1.value.sequence }
            for (key, row) in rows.prefix(limit) {
                page.next = RowCursor(part: 0, position: Int64(row.sequence.number))
                if state.altered.contains(key) {
                    page.unreadable += 1
                } else if state.file.isPending(row) {
                    page.pending += 1
                } else if state.file.isReplaceable(row) {
                    page.rows.append(
                        Self.held(
                            key, row, isResealed: state.file.resealed.contains(key),
                            isGivenUp: state.file.givenUp.contains(key)))
                } else {
                    page.setAside += 1
                }
            }
            if rows.count <= limit { page.next = nil }
            return page
        }
    }

    private static func held(
        _ key: CacheKey, _ row: StoredEntry, isResealed: Bool, isGivenUp: Bool
    ) -> HeldRow {
        var isSealed = false
        if case .sealed = row.form { isSealed = true }
        let own = (row.isNegative ? nil : row.value).map { SimulatedFile.fingerprint($0, row.form) } ?? .none
        return HeldRow(
            key: key, sequence: row.sequence, version: row.version,
            fingerprint: isGivenUp ? .none : isResealed ? row.base.first ?? .none : own,
            isSealed: isSealed, byteCount: row.value?.count ?? 0, isTombstone: row.isTombstone,
            isNegative: row.isNegative, staleAt: row.staleAt)
    }

    /// How many rows stand under changes up to one.
    public func rowCount(through sequence: ChangeSequence) async throws(CacheError) -> Int {
        try using { state in state.file.rows.values.count { $0.sequence <= sequence } }
    }
}
