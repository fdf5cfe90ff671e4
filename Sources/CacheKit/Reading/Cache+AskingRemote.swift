import CacheKitCore

/// A key that the remote is asked for.
struct RemoteQuestion: Sendable {
    /// What the local store has of it.
    struct Row: Sendable {
        var entry: StoredEntry
        /// Whether the remote has said that it has no such key, so that the row is not served.
        var isKnownGone: Bool
    }

    var index: Int
    var key: CacheKey
    var hash: Hash128
    var ticket: MemoryTier.Shard.Ticket
    var row: Row?

    /// What is served while the remote is away.
    func fallback(at now: Timestamp) -> MemoryEntry? {
        guard let row, !row.isKnownGone, row.entry.isLive(at: now) else { return nil }
        return MemoryEntry(row.entry)
    }
}

/// Asking the remote, and taking in what it says. The remote being away is a counted miss; being refused throws.
extension Cache {
    /// One question per key at a time, whoever asks.
    func readRemoteOnce(_ question: RemoteQuestion) async throws(CacheError) -> MemoryEntry? {
        do {
            return try await remoteReads.run(RemoteReadKey(hash: question.hash, ticket: question.ticket)) {
                try await self.readRemote([question])[0]
            }
        } catch {
            throw CacheError(wrapping: error)
        }
    }

    /// The live entries of keys of which memory and local store could not say enough, in order.
    func readRemote(_ questions: [RemoteQuestion]) async throws(CacheError) -> [MemoryEntry?] {
        guard let remote else { return questions.map { _ in nil } }
        // Before the question: what the remote says of a remaining life is counted from no later than that.
        let now = clock.now()
        do {
            guard let local else { return try await readRemoteOnly(questions, remote, now) }
            return try await check(questions, local, remote, now).entries
        } catch  where error.isRemoteAway || error.isRefusal {
            counters.lastRemoteError.note(error, at: clock.now())
            let held = questions.map { heldMeanwhile($0) }
            // Being refused throws, unless everything is held that was asked for.
            guard error.isRemoteAway || held.allSatisfy({ $0 != nil }) else { throw error }
            counters.remoteFailures.count(questions.count)
            return held
        }
    }

    /// What is served of an unverified entry while the remote is away. It stays unverified.
    func heldMeanwhile(_ question: RemoteQuestion) -> MemoryEntry? {
        let now = clock.now()
        // With a local store, what memory holds is in there too.
        guard local == nil else { return question.fallback(at: now) }
        return memory.shard(question.hash).unverifiedEntry(question.hash, now: now)
    }

    /// Without a local store there is nothing to compare with.
    private func readRemoteOnly(
        _ questions: [RemoteQuestion], _ remote: any RemoteStore, _ now: Timestamp
    ) async throws(CacheError) -> [MemoryEntry?] {
        let answers = try await remote.read(questions.map(\.key))
        var entries: [MemoryEntry?] = []
        for (question, answer) in zip(questions, answers) {
            guard let answer else {
                counters.remoteMisses.count()
                memory.shard(question.hash).absentBelow(question.hash, ticket: question.ticket, at: now)
                entries.append(nil)
                continue
            }
            counters.remoteHits.count()
            let change = try recognised(answer, question.key, now)
            let entry = MemoryEntry(
                bytes: answer.value, form: change.form, mode: change.mode, expiresAt: change.expiresAt,
                staleAt: change.staleAt, writtenAt: .zero, sequence: .zero)
            memory.shard(question.hash).fill(question.hash, with: entry, ticket: question.ticket, at: now)
            entries.append(entry)
        }
        return entries
    }

    /// A value from the remote as it is kept; opened once if it is sealed.
    func recognised(
        _ entry: RemoteEntry, _ key: CacheKey, _ now: Timestamp
    ) throws(CacheError) -> LocalChange {
        let policy = registry.policy(for: key)
        let form: ValueForm
        do {
            form = try sealer.recognise(entry.value, key: key, mode: policy.mode)
        } catch {
            counters.openFailures.count(error)
            throw error
        }
        let end = now.advanced(by: entry.remaining ?? policy.ttl)
        return LocalChange(
            key: key, value: entry.value, form: form, mode: policy.mode,
            expiresAt: end.advanced(by: policy.loading.keepsStale), staleAt: end)
    }
}
