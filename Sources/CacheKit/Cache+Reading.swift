import CacheKitCore
import Logging

/// The read path: memory, local store, remote store; each tier that missed is filled on the way back.
extension Cache {
    /// The live entry of a key, from the first tier that has one.
    func entry(for key: CacheKey, isCounted: Bool = true) async throws(CacheError) -> MemoryEntry? {
        let hash = Hash128(key)
        if let entry = memory.entry(hash, now: clock.now(), isCounted: isCounted) { return entry }
        return try await entryBelowMemory(key, hash)
    }

    /// The live entry of a key that memory does not hold.
    func entryBelowMemory(_ key: CacheKey, _ hash: Hash128) async throws(CacheError) -> MemoryEntry? {
        try lifecycle.requireOpen()
        guard local != nil || remote != nil else { return nil }
        let ticket = memory.shard(hash).ticket(hash)
        switch try await readLocal([key], [ticket])[0] {
        case .found(let entry): return entry
        case .absent: return nil
        case .askRemote(let expected):
            guard remote != nil else { return nil }
            return try await readRemoteOnce(key, hash, ticket, expected)
        }
    }

    /// The live entries of many keys: at most one round trip per tier.
    func entries(for keys: [CacheKey]) async throws(CacheError) -> [MemoryEntry?] {
        let hashes = keys.map(Hash128.init)
        let now = clock.now()
        var found = hashes.map { memory.entry($0, now: now) }
        try lifecycle.requireOpen()
        let missing = keys.indices.filter { found[$0] == nil }
        guard !missing.isEmpty, local != nil || remote != nil else { return found }
        let tickets = missing.map { memory.shard(hashes[$0]).ticket(hashes[$0]) }
        let answers = try await readLocal(missing.map { keys[$0] }, tickets)
        var questions: [RemoteQuestion] = []
        for (position, answer) in zip(missing.indices, answers) {
            switch answer {
            case .found(let entry): found[missing[position]] = entry
            case .absent: break
            case .askRemote(let expected):
                let index = missing[position]
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[position],
                        expected: expected))
            }
        }
        guard remote != nil, !questions.isEmpty else { return found }
        for (question, entry) in zip(questions, try await readRemote(questions)) { found[question.index] = entry }
        return found
    }

    // MARK: Local

    private enum LocalAnswer {
        case found(MemoryEntry)
        /// A change that the remote has not seen says that there is nothing.
        case absent
        /// The row's sequence, or `nil` for no row, on which a fill depends.
        case askRemote(expected: ChangeSequence?)
    }

    private func readLocal(_ keys: [CacheKey], _ tickets: [MemoryTier.Shard.Ticket]) async throws(CacheError)
        -> [LocalAnswer]
    {
        guard let local else { return keys.map { _ in .askRemote(expected: nil) } }
        let rows = try await local.read(keys)
        let now = clock.now()
        var watermark: ChangeSequence?
        var answers: [LocalAnswer] = []
        answers.reserveCapacity(keys.count)
        for (index, row) in rows.enumerated() {
            guard let row else {
                counters.localMisses.count()
                answers.append(.askRemote(expected: nil))
                continue
            }
            if let entry = MemoryEntry(row), entry.expiresAt > now {
                counters.localHits.count()
                let hash = Hash128(keys[index])
                memory.shard(hash).fill(hash, with: entry, ticket: tickets[index])
                answers.append(.found(entry))
                continue
            }
            counters.localMisses.count()
            // A delete or an expired write that is still pending is newer than anything the remote holds of it.
            var isPending = false
            if remote != nil, row.origin == .local {
                if watermark == nil { watermark = try await local.watermark() }
                isPending = row.sequence > watermark ?? .zero
            }
            answers.append(isPending ? .absent : .askRemote(expected: row.sequence))
        }
        return answers
    }

    // MARK: Remote

    private struct RemoteQuestion: Sendable {
        var index: Int
        var key: CacheKey
        var hash: Hash128
        var ticket: MemoryTier.Shard.Ticket
        var expected: ChangeSequence?
    }

    /// One question per key at a time, whoever asks.
    private func readRemoteOnce(
        _ key: CacheKey, _ hash: Hash128, _ ticket: MemoryTier.Shard.Ticket, _ expected: ChangeSequence?
    ) async throws(CacheError) -> MemoryEntry? {
        let question = RemoteQuestion(index: 0, key: key, hash: hash, ticket: ticket, expected: expected)
        do {
            return try await remoteReads.run(RemoteReadKey(hash: hash, ticket: ticket)) {
                try await self.readRemote([question])[0]
            }
        } catch {
            throw CacheError(wrapping: error)
        }
    }

    /// Asks the remote and fills the tiers above it. The remote being away is a counted miss; being refused throws.
    private func readRemote(_ questions: [RemoteQuestion]) async throws(CacheError) -> [MemoryEntry?] {
        guard let remote else { return questions.map { _ in nil } }
        // Before the question: what the remote says of a remaining life is counted from no later than that.
        let now = clock.now()
        let answers: [RemoteEntry?]
        do {
            answers = try await remote.read(questions.map(\.key))
        } catch  where error.isRemoteAway {
            counters.remoteFailures.count(questions.count)
            return questions.map { _ in nil }
        }
        var entries: [MemoryEntry?] = []
        for (question, answer) in zip(questions, answers) {
            guard let answer else {
                counters.remoteMisses.count()
                entries.append(nil)
                continue
            }
            counters.remoteHits.count()
            let policy = registry.policy(for: question.key)
            let form = try sealer.recognise(answer.value, key: question.key, mode: policy.mode)
            let expiresAt = now.advanced(by: answer.remaining ?? policy.ttl)
            entries.append(
                MemoryEntry(
                    bytes: answer.value, form: form, mode: policy.mode, expiresAt: expiresAt, staleAt: expiresAt,
                    sequence: .zero))
        }
        return try await fill(questions, entries)
    }

    /// Keeps what the remote held, unless a change made here meanwhile decides otherwise: then that is the answer.
    private func fill(
        _ questions: [RemoteQuestion], _ entries: [MemoryEntry?]
    ) async throws(CacheError) -> [MemoryEntry?] {
        guard let local else {
            for (question, entry) in zip(questions, entries) {
                guard let entry else { continue }
                memory.shard(question.hash).fill(question.hash, with: entry, ticket: question.ticket)
            }
            return entries
        }
        var entries = entries
        let indices = entries.indices.filter { entries[$0] != nil }
        guard !indices.isEmpty else { return entries }
        let fills = indices.compactMap { index in
            entries[index].map { entry in
                RemoteFill(
                    change: LocalChange(
                        key: questions[index].key, value: entry.bytes, form: entry.form, mode: entry.mode,
                        expiresAt: entry.expiresAt, staleAt: entry.staleAt),
                    expected: questions[index].expected)
            }
        }
        do {
            _ = try await local.fill(fills)
        } catch {
            // A full disk must not keep a value from whoever asked for it.
            counters.storeFailures.count(fills.count)
            configuration.logger.warning(
                "a value from the remote was not kept in the local store", metadata: ["error": "\(error)"])
            return entries
        }
        let rows = try await local.read(indices.map { questions[$0].key })
        for (index, row) in zip(indices, rows) {
            guard let row else { continue }
            let question = questions[index]
            let entry = MemoryEntry(row).flatMap { $0.expiresAt > clock.now() ? $0 : nil }
            if let entry { memory.shard(question.hash).fill(question.hash, with: entry, ticket: question.ticket) }
            entries[index] = entry
        }
        return entries
    }

    /// Whether each key has a live entry: at most one round trip per tier, and the remote sends no values.
    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        let hashes = keys.map(Hash128.init)
        let now = clock.now()
        var found = hashes.map { memory.entry($0, now: now) != nil }
        let missing = keys.indices.filter { !found[$0] }
        guard !missing.isEmpty else { return found }
        try lifecycle.requireOpen()
        guard local != nil || remote != nil else { return found }
        let tickets = missing.map { memory.shard(hashes[$0]).ticket(hashes[$0]) }
        var questions: [Int] = []
        for (index, answer) in zip(missing, try await readLocal(missing.map { keys[$0] }, tickets)) {
            switch answer {
            case .found: found[index] = true
            case .absent: break
            case .askRemote: questions.append(index)
            }
        }
        guard let remote, !questions.isEmpty else { return found }
        do {
            for (index, isThere) in zip(questions, try await remote.contains(questions.map { keys[$0] })) {
                found[index] = isThere
            }
        } catch  where error.isRemoteAway {
            counters.remoteFailures.count(questions.count)
        }
        return found
    }
}

extension CacheError {
    /// Whether this says that the remote can't be asked now, which reading treats as a miss.
    var isRemoteAway: Bool {
        switch code {
        case .remoteUnavailable, .remoteTimeout, .remoteNotReady, .mayHaveBeenApplied: true
        default: false
        }
    }

    /// The error itself if it is ours, a cancellation as such, anything else as a fault.
    init(wrapping error: any Error) {
        switch error {
        case let error as CacheError: self = error
        case is CancellationError: self = CacheError(.cancelled, "the calling task was cancelled", cause: error)
        default: self = CacheError(.internalFault, "an unexpected error; please report it", cause: error)
        }
    }
}
