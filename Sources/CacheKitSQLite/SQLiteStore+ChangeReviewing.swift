public import CacheKit
public import CacheKitCore

extension SQLiteStore {
    /// What was set aside; opens each record and its row, goes past those that do not authenticate, and counts them.
    public func changesSetAside(
        _ kind: SetAsideChange.Kind, after: ChangeSequence, limit: Int
    ) async throws(CacheError) -> ReviewPage<SetAsideChange> {
        try await reads.scan { reader throws(CacheError) in
            try reader.changesSetAside(kind, after: after, limit: limit)
        }
    }

    /// Makes changes pending again; see ``ChangeReviewing/requeue(_:_:)``.
    public func requeue(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try requireFew(changes.count)
        return try await write(changes: changes.count) { writer throws(CacheError) in
            try writer.requeue(kind, changes)
        }
    }

    /// Gives changes up; see ``ChangeReviewing/drop(_:_:)``.
    public func drop(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try requireFew(changes.count)
        return try await write { writer throws(CacheError) in try writer.drop(kind, changes) }
    }

    /// What lost; opens each record and the row that stands there, goes past those that do not authenticate, and counts them.
    public func conflicts(after: ChangeSequence, limit: Int) async throws(CacheError) -> ReviewPage<KeptConflict> {
        try await reads.scan { reader throws(CacheError) in try reader.conflicts(after: after, limit: limit) }
    }

    /// What lost, whole. Throws ``CacheError/Code/tamperedStore`` for a record that does not authenticate.
    public func loser(_ change: ChangeSequence) async throws(CacheError) -> Change? {
        try await reads.scan { reader throws(CacheError) in try reader.loser(change) }
    }

    /// Forgets losers; see ``ChangeReviewing/forget(losers:)``.
    public func forget(losers changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome] {
        try requireFew(changes.count)
        return try await write { writer throws(CacheError) in try writer.forget(losers: changes) }
    }

    /// Commits losers anew; see ``ChangeReviewing/reinstate(_:)``.
    public func reinstate(_ losers: [Reinstatement]) async throws(CacheError) -> [ReviewOutcome] {
        try requireFew(losers.count)
        let bytes = try checkedByteCount(losers.map(\.change))
        let hashed = try losers.map { loser throws(CacheError) in
            HashedReinstatement(
                loser: loser.loser, change: try HashedChange(loser.change, file.codec),
                overwritesLocal: loser.overwritesLocal)
        }
        return try await write(bytes: bytes, changes: losers.count) { writer throws(CacheError) in
            try writer.reinstate(hashed)
        }
    }

    /// How sending went, as far as it was noted.
    public func sendingProgress() async throws(CacheError) -> SendingProgress {
        try await read { reader throws(CacheError) in try reader.meta.progress(reader.finder.codec.keys) }
    }

    /// Keeps what keeps changes from being sent.
    public func note(sendingFailure error: CacheError) async throws(CacheError) {
        try await write { writer throws(CacheError) in try writer.note(sendingFailure: error) }
    }

    /// One transaction holds up every other writer while it lasts.
    private func requireFew(_ count: Int) throws(CacheError) {
        guard count <= Reader.mostReviewed else {
            throw CacheError(.invalidArgument, "at most 1,000 changes are decided upon at a time; take fewer")
        }
    }
}
