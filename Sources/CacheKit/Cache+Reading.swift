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
        case .askRemote(let row):
            guard remote != nil else { return nil }
            return try await readRemoteOnce(key, hash, ticket, row)
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
            case .askRemote(let row):
                let index = missing[position]
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[position], row: row))
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
        case askRemote(LocalRow)
    }

    /// What the local store has of a key that the remote is asked for.
    private struct LocalRow: Sendable {
        /// The row's sequence, or `nil` for no row, on which a fill depends.
        var sequence: ChangeSequence?
        /// A live row that came from the remote and may be out of date.
        var isUnverified = false
        /// What is served if the remote is away.
        var fallback: MemoryEntry?
    }

    private func readLocal(_ keys: [CacheKey], _ tickets: [MemoryTier.Shard.Ticket]) async throws(CacheError)
        -> [LocalAnswer]
    {
        guard let local else { return keys.map { _ in .askRemote(LocalRow()) } }
        if let gap = unverified.openGap { unverified.close(gap, through: try await local.lastSequence()) }
        let rows = try await local.read(keys)
        let now = clock.now()
        var watermark: ChangeSequence?
        var answers: [LocalAnswer] = []
        answers.reserveCapacity(keys.count)
        for (index, row) in rows.enumerated() {
            guard let row else {
                counters.localMisses.count()
                answers.append(.askRemote(LocalRow()))
                continue
            }
            if let entry = MemoryEntry(row), entry.expiresAt > now {
                let hash = Hash128(keys[index])
                let standing = row.origin == .remote ? unverified.standing(hash, row.sequence) : .verified
                guard standing == .verified || remote == nil else {
                    counters.localMisses.count()
                    answers.append(
                        .askRemote(
                            LocalRow(
                                sequence: row.sequence, isUnverified: true,
                                fallback: standing == .gone ? nil : entry)))
                    continue
                }
                counters.localHits.count()
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
            answers.append(isPending ? .absent : .askRemote(LocalRow(sequence: row.sequence)))
        }
        return answers
    }

    // MARK: Remote

    private struct RemoteQuestion: Sendable {
        var index: Int
        var key: CacheKey
        var hash: Hash128
        var ticket: MemoryTier.Shard.Ticket
        var row: LocalRow
    }

    /// One question per key at a time, whoever asks.
    private func readRemoteOnce(
        _ key: CacheKey, _ hash: Hash128, _ ticket: MemoryTier.Shard.Ticket, _ row: LocalRow
    ) async throws(CacheError) -> MemoryEntry? {
        let question = RemoteQuestion(index: 0, key: key, hash: hash, ticket: ticket, row: row)
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
        let asked = unverified.moment
        let answers: [RemoteEntry?]
        do {
            answers = try await remote.read(questions.map(\.key))
        } catch {
            let held = questions.map(heldMeanwhile)
            // Being refused throws, unless everything is held that was asked for.
            guard error.isRemoteAway || error.isRefusal && held.allSatisfy({ $0 != nil }) else { throw error }
            counters.remoteFailures.count(questions.count)
            return held
        }
        var entries: [MemoryEntry?] = []
        for (question, answer) in zip(questions, answers) {
            guard let answer else {
                counters.remoteMisses.count()
                entries.append(nil)
                memory.shard(question.hash).dropUnverified(question.hash, ticket: question.ticket)
                if question.row.isUnverified { unverified.absent(question.hash, asked: asked) }
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
        return try await fill(questions, entries, asked: asked)
    }

    /// What is served of an unverified entry while the remote is away. It stays unverified.
    private func heldMeanwhile(_ question: RemoteQuestion) -> MemoryEntry? {
        // With a local store, what memory holds is in there too.
        guard local == nil else { return question.row.fallback }
        return memory.shard(question.hash).unverifiedEntry(question.hash, now: clock.now())
    }

    /// Keeps what the remote held, unless a change made here meanwhile decides otherwise: then that is the answer.
    private func fill(
        _ questions: [RemoteQuestion], _ entries: [MemoryEntry?], asked: UnverifiedRows.Moment
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
                    expected: questions[index].row.sequence)
            }
        }
        let stored: [Bool]
        do {
            stored = try await local.fill(fills)
        } catch {
            // A full disk must not keep a value from whoever asked for it.
            counters.storeFailures.count(fills.count)
            configuration.logger.warning(
                "a value from the remote was not kept in the local store", metadata: ["error": "\(error)"])
            return entries
        }
        let rows = try await local.read(indices.map { questions[$0].key })
        for (position, (index, row)) in zip(indices, rows).enumerated() {
            guard let row else { continue }
            let question = questions[index]
            if stored[position] { unverified.found(question.hash, asked: asked) }
            let isVerified = row.origin == .local || unverified.standing(question.hash, row.sequence) == .verified
            let entry = MemoryEntry(row).flatMap { $0.expiresAt > clock.now() ? $0 : nil }
            if let entry, isVerified {
                memory.shard(question.hash).fill(question.hash, with: entry, ticket: question.ticket)
            }
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
        var questions: [RemoteQuestion] = []
        for (position, answer) in try await readLocal(missing.map { keys[$0] }, tickets).enumerated() {
            let index = missing[position]
            switch answer {
            case .found: found[index] = true
            case .absent: break
            case .askRemote(let row):
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[position], row: row))
            }
        }
        guard let remote, !questions.isEmpty else { return found }
        do {
            for (question, isThere) in zip(questions, try await remote.contains(questions.map(\.key))) {
                found[question.index] = isThere
            }
        } catch  where error.isRemoteAway {
            counters.remoteFailures.count(questions.count)
            for question in questions { found[question.index] = heldMeanwhile(question) != nil }
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

    /// Whether the remote answers and does not let this client in.
    var isRefusal: Bool { code == .remoteAuthentication || code == .remoteRejected }

    /// The error itself if it is ours, a cancellation as such, anything else as a fault.
    init(wrapping error: any Error) {
        switch error {
        case let error as CacheError: self = error
        case is CancellationError: self = CacheError(.cancelled, "the calling task was cancelled", cause: error)
        default: self = CacheError(.internalFault, "an unexpected error; please report it", cause: error)
        }
    }
}
