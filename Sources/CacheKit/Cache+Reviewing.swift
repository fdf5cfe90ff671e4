public import CacheKitCore

/// What people see and decide of changes that did not simply reach the remote.
extension Cache {
    /// Which of two values a conflict is settled with.
    public enum ConflictWinner: Sendable, Equatable {
        /// What the remote held: the loser is forgotten.
        case remote
        /// What lost here: it is written again, as a change like any other.
        ///
        /// - overwritesLocal: whether also over what was written here since it lost.
        case local(overwritesLocal: Bool)
    }

    /// The local store, for lists of what was set aside and of conflicts, and for what is decided about the former.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without a local store.
    public var review: any ChangeReviewing {
        get throws(CacheError) { try reviewedStore() }
    }

    private func reviewedStore() throws(CacheError) -> any LocalStore {
        try lifecycle.requireOpen()
        guard let local else {
            throw CacheError(.invalidConfiguration, "this cache has no local store to look into; give it a file")
        }
        return local
    }

    /// Settles conflicts, each by the number of the change that lost, all in one transaction.
    ///
    /// A loser that is kept gets a new version and the whole of the life that it was written with, sealed under the current
    /// key. At most 1,000 at a time.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed`` where a loser does not open; then nothing has changed.
    public func settleConflicts(
        _ losers: [ChangeSequence], keeping winner: ConflictWinner
    ) async throws(CacheError) -> [ReviewOutcome] {
        let local = try reviewedStore()
        guard case .local(let overwritesLocal) = winner else { return try await local.forget(losers: losers) }
        var outcomes = [ReviewOutcome](repeating: .missing, count: losers.count)
        var reinstatements: [(index: Int, reinstatement: Reinstatement)] = []
        for (index, loser) in losers.enumerated() {
            guard let change = try await local.loser(loser) else { continue }
            reinstatements.append(
                (
                    index,
                    Reinstatement(loser: loser, change: try anew(change), overwritesLocal: overwritesLocal)
                ))
        }
        guard !reinstatements.isEmpty else { return outcomes }
        let changes = reinstatements.map(\.reinstatement.change)
        // Whether it is acknowledged here or at the remote is a matter of writers that wait for it; nobody does.
        _ = try await synchronizer?.admit(
            changes: changes.count, bytes: changes.reduce(0) { $0 + ($1.value?.count ?? 0) })
        let hashes = changes.map { Hash128($0.key) }
        writeMarks.beginWriting(hashes)
        defer { writeMarks.endWriting(hashes) }
        let found = try await local.reinstate(reinstatements.map(\.reinstatement))
        for (place, outcome) in zip(reinstatements, found) {
            outcomes[place.index] = outcome
            let hash = Hash128(place.reinstatement.change.key)
            memory.shard(hash).remove(hash)
        }
        synchronizer?.wake()
        return outcomes
    }

    /// The same document with the life that it was written with, beginning now.
    private func anew(_ loser: Change) throws(CacheError) -> LocalChange {
        let now = clock.now()
        let row = loser.entry
        guard let stored = MemoryEntry(row) else {
            return LocalChange(
                key: loser.key, value: nil, form: .plain, mode: row.mode,
                expiresAt: now.advanced(by: configuration.tombstoneLifetime))
        }
        let life = max(
            .milliseconds(1), min(row.version.time.duration(to: row.staleAt), CacheConfiguration.maximumTTL))
        let (document, former) = try sealer.opened(stored, key: loser.key)
        var attributes = newAttributes(registry.policy(for: loser.key))
        attributes.tags = former.tags
        attributes.loadMilliseconds = former.loadMilliseconds
        attributes.slidingLife = former.slidingLife
        let (bytes, form) = try sealer.seal(document, attributes, key: loser.key, mode: row.mode)
        let end = now.advanced(by: life)
        return LocalChange(
            key: loser.key, value: bytes, form: form, mode: row.mode,
            expiresAt: end.advanced(by: row.staleAt.duration(to: row.expiresAt)), staleAt: end)
    }

    /// Opens what lost, and what stands in its place here; `nil` for a delete, for a value that was not kept, and where nothing
    /// stands.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed``, ``CacheError/Code/invalidEnvelope``, ``CacheError/Code/decoding``.
    public func documents(
        ofConflict loser: ChangeSequence
    ) async throws(CacheError) -> (loser: MessagePackValue?, standing: MessagePackValue?) {
        let local = try reviewedStore()
        guard let change = try await local.loser(loser) else { return (nil, nil) }
        let standing = try await local.read([change.key]).first ?? nil
        return (
            try document(of: change.entry, change.key),
            try standing.flatMap { row throws(CacheError) in try document(of: row, change.key) }
        )
    }

    private func document(of row: StoredEntry, _ key: CacheKey) throws(CacheError) -> MessagePackValue? {
        guard let stored = MemoryEntry(row) else { return nil }
        return try ValueCodec<MessagePackValue>.document.decode(sealer.document(of: stored, key: key))
    }

    /// Whether somebody pushes this store's changes, in this process or another; `false` without a local store.
    public func isPushed() async throws(CacheError) -> Bool { try await local?.isPusherLeaseHeld() ?? false }

    /// What the remote says of itself and how far this machine's clock is from its own; `nil` without a remote.
    ///
    /// - Returns: The offset is what has to be added to this machine's time; half of the round trip may be in it.
    public func surveyRemote() async throws(CacheError) -> (survey: RemoteSurvey, clockOffset: Duration)? {
        guard let remote else { return nil }
        let asked = clock.now()
        let survey = try await remote.survey()
        let trip = asked.duration(to: clock.now())
        return (survey, asked.advanced(by: trip / 2).duration(to: survey.time))
    }
}
