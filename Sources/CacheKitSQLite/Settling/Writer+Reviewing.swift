internal import CacheKit
internal import CacheKitCore

/// A ``Reinstatement`` with what the file needs to know of its change.
struct HashedReinstatement: Sendable {
    var loser: ChangeSequence
    var change: HashedChange
    var overwritesLocal: Bool
}

/// What people decide about changes that did not simply reach the remote.
extension Writer {
    private struct Standing {
        var place: RowPlace
        var metadata: RowMetadata
        var value: [UInt8]?
    }

    /// Makes changes that were set aside pending again.
    func requeue(_ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]) throws(CacheError) -> [ReviewOutcome] {
        try decide(kind, changes) { change, record, hash, row throws(CacheError) in
            guard var row else { return .superseded }
            // A stamp is drawn with it and not used: the version says when the change was made.
            row.metadata.sequence = try nextChange().sequence
            if record.reason == .parked(.tooOld) { row.metadata.isSentAtAnyAge = true }
            try put(row, hash)
            return .done
        }
    }

    /// Gives changes up: what stands here is from now on as if the remote had it.
    func drop(_ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]) throws(CacheError) -> [ReviewOutcome] {
        let outcomes = try decide(kind, changes) { change, record, hash, row throws(CacheError) in
            guard var row else { return .done }
            row.metadata.origin = .remote
            // The remote holds what the base says: whoever writes next must not take this value for what is there, and
            // whoever asks the remote must not take what is there for older.
            row.metadata.isResealed = true
            row.metadata.isGivenUp = true
            row = try withoutVersion(row, hash)
            try put(row, hash)
            return .done
        }
        evictor.reconsider()
        return outcomes
    }

    /// The row under no version; a plain value is sealed to the version.
    private func withoutVersion(_ standing: Standing, _ hash: KeyHash) throws(CacheError) -> Standing {
        var row = standing
        row.metadata.version = .unknown
        guard row.metadata.fingerprint == nil, let value = row.value else { return row }
        _ = try file.keys.valueKey()
        let former = standing.metadata.version
        let plaintext = value.withUnsafeBytes { value in
            hash.bytes.withUnsafeBytes { try? file.keys.openValue(value, hash: $0, version: former) }
        }
        guard let plaintext else { throw RowCodec.tampered }
        let sealed = try file.keys.sealValue(plaintext, hash: hash.bytes, version: .unknown)
        row.metadata.valueTag = sealed.withUnsafeBytes { RowMetadata.tag(of: $0) }
        row.value = sealed
        return row
    }

    private func put(_ row: Standing, _ hash: KeyHash) throws(CacheError) {
        // Not a use of the row.
        try rows.put(row.metadata, row.value, hash, in: row.place, accessedAt: row.place.accessedAt ?? 0)
        sweeper.note(expiry: row.metadata.expiresAt)
    }

    /// - Parameter decision: is given the row if it still stands under the change.
    private func decide(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence],
        _ decision: (ChangeSequence, SetAsideRecord, KeyHash, Standing?) throws(CacheError) -> ReviewOutcome
    ) throws(CacheError) -> [ReviewOutcome] {
        let select = try connection.prepare("SELECT sealed FROM \(kind.table) WHERE change_seq = ?1")
        let delete = try connection.prepare("DELETE FROM \(kind.table) WHERE change_seq = ?1")
        var outcomes: [ReviewOutcome] = []
        for change in changes {
            try select.bind(Int64(clamping: change.number), at: 1)
            let sealed = try select.step() ? select.bytes(0) : nil
            select.reset()
            guard let sealed else {
                outcomes.append(.missing)
                continue
            }
            guard let record = SetAsideRecord(sealed, kind, sequence: change.number, file.keys) else {
                outcomes.append(.unreadable)
                continue
            }
            let hash = try file.codec.hash(record.key)
            do throws(CacheError) {
                outcomes.append(try decision(change, record, hash, standing(hash, under: change)))
            } catch  where error.code == .tamperedStore {
                outcomes.append(.unreadable)
                continue
            }
            try delete.bind(Int64(clamping: change.number), at: 1)
            try delete.run()
        }
        return outcomes
    }

    private func standing(_ hash: KeyHash, under change: ChangeSequence) throws(CacheError) -> Standing? {
        try finder.withRow(hash) { table, row throws(CacheError) in
            guard let row else { return nil }
            let metadata = try file.codec.metadata(row, table: table)
            guard metadata.sequence == change.number else { return nil }
            return Standing(
                place: RowPlace(table: table, accessedAt: row.integer(8)), metadata: metadata,
                value: metadata.isTombstone ? nil : row.bytes(10))
        }
    }

    /// Forgets losers.
    func forget(losers changes: [ChangeSequence]) throws(CacheError) -> [ReviewOutcome] {
        var outcomes: [ReviewOutcome] = []
        for change in changes { outcomes.append(try forget(change) ? .done : .missing) }
        return outcomes
    }

    private func forget(_ loser: ChangeSequence) throws(CacheError) -> Bool {
        let delete = try connection.prepare("DELETE FROM conflicts WHERE change_seq = ?1")
        try delete.bind(Int64(clamping: loser.number), at: 1)
        try delete.run()
        return connection.changes > 0
    }

    /// Commits losers anew, and forgets that they lost.
    func reinstate(_ losers: [HashedReinstatement]) throws(CacheError) -> [ReviewOutcome] {
        var outcomes: [ReviewOutcome] = []
        for loser in losers {
            let outcome = try weigh(loser)
            outcomes.append(outcome)
            guard outcome == .done else { continue }
            _ = try apply([loser.change])
            _ = try forget(loser.loser)
        }
        return outcomes
    }

    private func weigh(_ loser: HashedReinstatement) throws(CacheError) -> ReviewOutcome {
        let select = try connection.prepare(
            "SELECT \(ConflictRecord.columns) FROM conflicts WHERE change_seq = ?1 LIMIT 1")
        try select.bind(Int64(clamping: loser.loser.number), at: 1)
        guard try select.step() else { return .missing }
        guard let record = try? ConflictRecord(select, file.codec), record.row.key == loser.change.change.key.string
        else { return .unreadable }
        guard record.isValueKept || record.row.isTombstone else { return .valueNotKept }
        let isLocal = try finder.withRow(loser.change.hash) { table, row in
            row.flatMap { try? file.codec.metadata($0, table: table) }?.origin == .local
        }
        return isLocal && !loser.overwritesLocal ? .superseded : .done
    }
}
