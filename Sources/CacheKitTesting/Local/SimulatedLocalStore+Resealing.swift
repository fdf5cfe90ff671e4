public import CacheKit
public import CacheKitCore

extension SimulatedLocalStore {
    /// Rows under another key, in order of their changes.
    public func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep {
        try await using { state in
            var step = ResealStep()
            var bytes = 0
            let start = ChangeSequence(UInt64(cursor?.position ?? 0))
            let rows = state.file.rows.filter { $0.value.sequence > start }
            for (key, entry) in rows.sorted(by: { $0.value.sequence < $1.value.sequence }) {
                if step.rows.count >= limit || (!step.rows.isEmpty && bytes >= byteLimit) { return step }
                step.scanned += 1
                step.next = RowCursor(part: 0, position: Int64(entry.sequence.number))
                guard case .sealed(let used) = entry.form, used != fingerprint else { continue }
                guard state.file.isReplaceable(entry) else {
                    step.waiting += 1
                    continue
                }
                bytes += entry.value?.count ?? 0
                step.rows.append(Change(key: key, entry: entry))
            }
            step.next = nil
            return step
        }
    }

    /// Replaces values where nothing changed meanwhile.
    @discardableResult
    public func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool] {
        try await using(.writes) { state in
            values.map { resealed in
                guard let row = state.file.rows[resealed.key], row.sequence == resealed.expected,
                    state.file.isReplaceable(row), case .sealed(let used) = row.form, used != resealed.fingerprint
                else { return false }
                // The remote goes on holding the value as it was.
                if state.file.resealed.insert(resealed.key).inserted, let value = row.value {
                    state.file.rows[resealed.key]?.base = [SimulatedFile.fingerprint(value, row.form)]
                }
                state.file.rows[resealed.key]?.value = resealed.value
                state.file.rows[resealed.key]?.form = .sealed(resealed.fingerprint)
                return true
            }
        }
    }
}
