import CacheKitCore
import Logging

/// The read path: memory, local store, remote store; each tier that missed is filled on the way back.
extension Cache {
    /// - Throws: ``CacheError/Code/shutdown``; ``CacheError/Code/missingMasterKey`` in a cache that only relays.
    func requireValues() throws(CacheError) {
        try lifecycle.requireOpen()
        try sealer.requireKey()
    }

    /// An entry and the tier that it came from.
    typealias Located = (entry: MemoryEntry, source: EntrySource)

    /// The live entry of a key, from the first tier that has one.
    func located(_ key: CacheKey, isCounted: Bool = true) async throws(CacheError) -> Located? {
        let hash = Hash128(key)
        if let entry = memory.entry(hash, now: clock.now(), isCounted: isCounted) { return (entry, .memory) }
        return try await entryBelowMemory(key, hash)
    }

    /// An entry whose life has ended and that is still kept, if no tier is known to have a newer one.
    func locatedStale(_ key: CacheKey) async throws(CacheError) -> Located? {
        let hash = Hash128(key)
        if let entry = memory.shard(hash).staleEntry(hash, now: clock.now()) { return (entry, .memory) }
        return try await staleEntries([key])[0].map { ($0, .local) }
    }

    /// What memory and the local store keep of keys beyond their lives, in order.
    func staleEntries(_ keys: [CacheKey]) async throws(CacheError) -> [MemoryEntry?] {
        let now = clock.now()
        var entries = keys.map(Hash128.init).map { memory.shard($0).staleEntry($0, now: now) }
        let missing = keys.indices.filter { entries[$0] == nil }
        guard let local, !missing.isEmpty else { return entries }
        for (index, row) in zip(missing, try await local.read(missing.map { keys[$0] })) {
            guard let row, row.isStale(at: now) else { continue }
            let isGone = remote != nil && unverified.standing(Hash128(keys[index]), row.sequence) == .gone
            entries[index] = isGone ? nil : MemoryEntry(row)
        }
        return entries
    }

    /// The live entry of a key that memory does not hold.
    func entryBelowMemory(_ key: CacheKey, _ hash: Hash128) async throws(CacheError) -> Located? {
        try requireValues()
        guard local != nil || remote != nil else { return nil }
        let ticket = memory.shard(hash).ticket(hash)
        switch try await readLocal([key], [ticket])[0] {
        case .found(let entry): return (entry, .local)
        case .absent: return nil
        case .askRemote(let row):
            guard remote != nil else { return nil }
            let entry = try await readRemoteOnce(
                RemoteQuestion(index: 0, key: key, hash: hash, ticket: ticket, row: row))
            return entry.map { ($0, Self.source(of: $0, row)) }
        }
    }

    /// Where an entry came from for which the remote was asked: from the row, if that still stands.
    private static func source(of entry: MemoryEntry, _ row: RemoteQuestion.Row?) -> EntrySource {
        row?.entry.sequence == entry.sequence ? .local : .remote
    }

    /// The live entries of many keys: one round trip per tier, and a second one to the remote for what has changed there.
    ///
    /// - Parameter asksMemory: Whether what memory holds is an answer.
    func entries(
        for keys: [CacheKey], isCounted: Bool = true, asksMemory: Bool = true
    ) async throws(CacheError) -> [Located?] {
        let hashes = keys.map(Hash128.init)
        let now = clock.now()
        var found: [Located?] = hashes.map { hash in
            asksMemory ? memory.entry(hash, now: now, isCounted: isCounted).map { ($0, .memory) } : nil
        }
        try requireValues()
        let missing = keys.indices.filter { found[$0] == nil }
        guard !missing.isEmpty, local != nil || remote != nil else { return found }
        let tickets = missing.map { memory.shard(hashes[$0]).ticket(hashes[$0]) }
        let answers = try await readLocal(missing.map { keys[$0] }, tickets)
        var questions: [RemoteQuestion] = []
        for (position, answer) in zip(missing.indices, answers) {
            switch answer {
            case .found(let entry): found[missing[position]] = (entry, .local)
            case .absent: break
            case .askRemote(let row):
                let index = missing[position]
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[position], row: row))
            }
        }
        guard remote != nil, !questions.isEmpty else { return found }
        for (question, entry) in zip(questions, try await readRemote(questions)) {
            found[question.index] = entry.map { ($0, Self.source(of: $0, question.row)) }
        }
        return found
    }

    /// The live entries that this node has of keys, while the remote says nothing of them.
    func heldEntries(for keys: [CacheKey]) async throws(CacheError) -> [Located?] {
        let now = clock.now()
        var held = keys.map(Hash128.init).map { hash -> Located? in
            let entry =
                local == nil
                ? memory.shard(hash).unverifiedEntry(hash, now: now) : memory.entry(hash, now: now, isCounted: false)
            return entry.map { ($0, .memory) }
        }
        let missing = keys.indices.filter { held[$0] == nil }
        guard let local, !missing.isEmpty else { return held }
        for (index, row) in zip(missing, try await local.read(missing.map { keys[$0] })) {
            guard let row, row.isLive(at: now) else { continue }
            let isGone = unverified.standing(Hash128(keys[index]), row.sequence) == .gone
            held[index] = isGone ? nil : MemoryEntry(row).map { ($0, .local) }
        }
        return held
    }

    // MARK: Local

    /// What the local store alone says of a key.
    enum LocalAnswer {
        case found(MemoryEntry)
        /// A change that the remote has not seen says that there is nothing.
        case absent
        /// The remote is asked; with what the store has, if anything.
        case askRemote(RemoteQuestion.Row?)
    }

    /// What the local store says of each key, in order; memory is filled with what stands.
    func readLocal(_ keys: [CacheKey], _ tickets: [MemoryTier.Shard.Ticket]) async throws(CacheError)
        -> [LocalAnswer]
    {
        guard let local else { return keys.map { _ in .askRemote(nil) } }
        if let gap = unverified.openGap { unverified.close(gap, through: try await local.lastSequence()) }
        let rows: [StoredEntry?]
        do {
            rows = try await local.read(keys)
        } catch {
            counters.openFailures.count(error)
            counters.lastLocalError.note(error, at: clock.now())
            throw error
        }
        let now = clock.now()
        var watermark: ChangeSequence?
        var answers: [LocalAnswer] = []
        answers.reserveCapacity(keys.count)
        for (index, row) in rows.enumerated() {
            guard let row else {
                counters.localMisses.count()
                answers.append(.askRemote(nil))
                continue
            }
            let hash = Hash128(keys[index])
            let entry = row.isLive(at: now) ? MemoryEntry(row) : nil
            let standing = remote == nil ? .verified : unverified.standing(hash, row.sequence)
            // What the remote has not got is newer than anything it holds of it.
            var isPending = false
            var isOwn = false
            if remote != nil, row.origin == .local, entry == nil || standing != .verified {
                if watermark == nil { watermark = try await local.watermark() }
                isPending = row.sequence > watermark ?? .zero
                isOwn = synchronizer?.writesAlone(keys[index]) ?? false
            }
            if let entry, standing == .verified || isPending || isOwn {
                counters.localHits.count()
                let isSure = standing == .verified || isOwn
                if let kept = isSure ? entry : keptWhileItWaits(entry, hash, now) {
                    memory.shard(hash).fill(hash, with: kept, ticket: tickets[index], at: now)
                }
                answers.append(.found(entry))
                continue
            }
            counters.localMisses.count()
            answers.append(
                isPending ? .absent : .askRemote(RemoteQuestion.Row(entry: row, isKnownGone: standing == .gone)))
        }
        return answers
    }

    /// What memory keeps of a change that stands only as long as it waits for the remote; `nil` for nothing.
    ///
    /// It may have got there already, and somebody may have overwritten it since. Once that is heard, memory would go on
    /// serving it when it no longer waits. While a gap lets nothing be heard, memory asks the local store again soon,
    /// where another process may have pushed it, too.
    private func keptWhileItWaits(_ entry: MemoryEntry, _ hash: Hash128, _ now: Timestamp) -> MemoryEntry? {
        guard !unverified.isMarked(hash) else { return nil }
        var entry = entry
        entry.expiresAt = min(entry.expiresAt, now.advanced(by: configuration.coherenceInterval))
        return entry
    }

    /// Whether each key has a live entry; of keys that this node does not hold the remote sends no values.
    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        let hashes = keys.map(Hash128.init)
        let now = clock.now()
        let held = hashes.map { memory.entry($0, now: now) }
        var found = held.map { $0.map { !$0.isNegative } ?? false }
        let missing = keys.indices.filter { held[$0] == nil }
        guard !missing.isEmpty else { return found }
        try requireValues()
        guard local != nil || remote != nil else { return found }
        let tickets = missing.map { memory.shard(hashes[$0]).ticket(hashes[$0]) }
        var questions: [RemoteQuestion] = []
        for (position, answer) in try await readLocal(missing.map { keys[$0] }, tickets).enumerated() {
            let index = missing[position]
            switch answer {
            case .found(let entry): found[index] = !entry.isNegative
            case .absent: break
            case .askRemote(let row):
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[position], row: row))
            }
        }
        guard let remote, !questions.isEmpty else { return found }
        // Where there is a row, the remote's having something is not the whole answer.
        let known = questions.filter { $0.row != nil }
        if !known.isEmpty {
            for (question, entry) in zip(known, try await readRemote(known)) {
                found[question.index] = entry.map { !$0.isNegative } ?? false
            }
            questions.removeAll { $0.row != nil }
            if questions.isEmpty { return found }
        }
        do {
            for (question, isThere) in zip(questions, try await remote.contains(questions.map(\.key))) {
                found[question.index] = isThere
            }
        } catch {
            counters.lastRemoteError.note(error, at: clock.now())
            guard error.isRemoteAway else { throw error }
            counters.remoteFailures.count(questions.count)
            for question in questions {
                found[question.index] = heldMeanwhile(question).map { !$0.isNegative } ?? false
            }
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
