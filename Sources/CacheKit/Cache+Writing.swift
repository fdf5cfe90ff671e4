import CacheKitCore
import Logging

/// The write path: the first durable tier decides, memory follows.
extension Cache {
    /// A document to be written under a key.
    struct Write: Sendable {
        var key: CacheKey
        var document: [UInt8]
        var ttl: Duration?
        /// What is kept beside the document; as for a value that is set now, for `nil`.
        var attributes: ValueAttributes?
        /// The key's mark when its load began: nothing is stored once the key was written since. `nil` for a caller's write.
        var loadMark: UInt32?
    }

    /// Seals and stores documents; all of them in one transaction where there is a local store. Gives how long each lives.
    ///
    /// Loads of keys that a caller writes store nothing if they began before it ended.
    @discardableResult
    func store(_ writes: [Write]) async throws(CacheError) -> [Duration] {
        try requireValues()
        let now = clock.now()
        var changes: [LocalChange] = []
        changes.reserveCapacity(writes.count)
        var marks: [UInt32?] = []
        var lives: [Duration] = []
        for write in writes {
            let state = registry.state(for: write.key)
            let policy = state.policy
            let ttl = write.ttl ?? policy.ttl
            guard ttl >= .milliseconds(1), ttl <= CacheConfiguration.maximumTTL else { throw .invalidTTL() }
            if let scope = state.removals, !scope.canStamp { try await meet(scope.chain.filter { !$0.isMet }) }
            var attributes = try stamped(
                write.attributes ?? newAttributes(policy), state, kept: ttl + policy.loading.keepsStale, now)
            if policy.mode == .native, policy.loading.isSliding, ttl != policy.ttl { attributes.slidingLife = ttl }
            let end = end(ofLifeFrom: now, ttl, policy, attributes)
            lives.append(now.duration(to: end))
            // Loaded before a removal: it must not take the place of what was loaded after it.
            if isKnownRemoved(attributes, state) { continue }
            let (bytes, form) = try sealer.seal(write.document, attributes, key: write.key, mode: policy.mode)
            marks.append(write.loadMark)
            changes.append(
                LocalChange(
                    key: write.key, value: bytes, form: form, mode: policy.mode,
                    expiresAt: end.advanced(by: policy.loading.keepsStale), staleAt: end))
        }
        let isApplied = try await apply(changes, since: marks, now: now)
        let applied = zip(changes, isApplied).filter(\.1).map(\.0.key)
        changeHub.set(applied)
        counters.writes.count(applied.count)
        return lives
    }

    /// What is kept beside a value that is set, or begins to be loaded, now.
    func newAttributes(_ policy: NamespacePolicy) -> ValueAttributes {
        var attributes = ValueAttributes()
        if policy.mode == .native, let limit = policy.loading.slidingLimit {
            attributes.slidingEnd = clock.now().advanced(by: limit)
        }
        return attributes
    }

    private func end(
        ofLifeFrom now: Timestamp, _ ttl: Duration, _ policy: NamespacePolicy, _ attributes: ValueAttributes
    ) -> Timestamp {
        var life = ttl
        if policy.loading.ttlJitter > 0 {
            life = max(.milliseconds(1), life * (1 - policy.loading.ttlJitter * configuration.jitter()))
        }
        let end = now.advanced(by: life)
        return min(end, attributes.slidingEnd ?? end)
    }

    /// Deletes keys, whether or not they exist.
    func remove(_ keys: [CacheKey]) async throws(CacheError) {
        try requireValues()
        let now = clock.now()
        let forgottenAt = now.advanced(by: configuration.tombstoneLifetime)
        let changes = keys.map { key in
            LocalChange(
                key: key, value: nil, form: .plain, mode: registry.policy(for: key).mode, expiresAt: forgottenAt)
        }
        try await apply(changes, since: changes.map { _ in nil }, now: now)
        changeHub.deleted(keys)
        counters.deletes.count(keys.count)
    }

    /// Applies changes in the first durable tier; says which, for some may expect something else to stand there.
    ///
    /// - Parameter marks: Of those that come from loads: such a change is left out once its key was written since. `nil` for a
    ///   caller's write, which loads give way to; none at all for what says nothing new.
    @discardableResult
    func apply(
        _ changes: [LocalChange], since marks: [UInt32?] = [], now: Timestamp
    ) async throws(CacheError) -> [Bool] {
        guard !changes.isEmpty else { return [] }
        do {
            let applied = try await applied(changes, marks, now: now)
            if applied.contains(true) { counters.writeFailure.ends() }
            return applied
        } catch {
            counters.writeFailure.note(error, at: now)
            throw error
        }
    }

    private func applied(
        _ all: [LocalChange], _ marks: [UInt32?], now: Timestamp
    ) async throws(CacheError) -> [Bool] {
        let bytes = all.reduce(0) { $0 + ($1.value?.count ?? 0) }
        let admission = local == nil ? nil : try await synchronizer?.admit(changes: all.count, bytes: bytes)
        // Only now, just before the commit: who waits to be admitted may wait for seconds.
        let isStanding = all.indices.map { index in
            marks.isEmpty || marks[index].map { writeMarks.stands(Hash128(all[index].key), $0) } ?? true
        }
        let changes = zip(all, isStanding).filter(\.1).map(\.0)
        guard !changes.isEmpty else { return isStanding }
        let written = zip(all, marks).filter { $0.1 == nil }.map { Hash128($0.0.key) }
        guard let sequences = try await commit(changes, written, now) else { return isStanding }
        if let synchronizer {
            synchronizer.wake()
            if lifecycle.shouldWarnAboutNotRunning() {
                configuration.logger.warning("\(Self.notRunningWarning)")
            }
            if case .writeThrough(let timeout) = admission {
                let written = Dictionary(zip(changes.map(\.key), sequences)) { max($0, $1) }
                try await synchronizer.awaitApplied(written.filter { $0.value != .zero }, atMost: timeout)
            }
        }
        var rest = sequences[...]
        return isStanding.map { $0 && rest.popFirst() != .zero }
    }

    /// Writes to the first durable tier, or to memory alone; gives the sequences of a local store.
    private func commit(
        _ changes: [LocalChange], _ written: [Hash128], _ now: Timestamp
    ) async throws(CacheError) -> [ChangeSequence]? {
        writeMarks.beginWriting(written)
        // Also after an error, which does not say that nothing was written.
        defer { writeMarks.endWriting(written) }
        if let local {
            let sequences: [ChangeSequence]
            do {
                sequences = try await local.commit(changes)
            } catch {
                counters.lastLocalError.note(error, at: now)
                throw error
            }
            for (change, sequence) in zip(changes, sequences) where sequence != .zero { keep(change, sequence, now) }
            changeHub.committed(sequences)
            return sequences
        } else if let remote {
            try await writeThrough(changes, to: remote, now: now)
        } else {
            // Nothing numbers these: whoever comes to the shard last, came last.
            for change in changes {
                let hash = Hash128(change.key)
                if let entry = MemoryEntry(change, .zero, now) {
                    memory.shard(hash).put(hash, entry)
                } else {
                    memory.shard(hash).remove(hash)
                }
            }
        }
        return nil
    }

    /// Puts a committed change into memory, or takes a deleted key out of it.
    private func keep(_ change: LocalChange, _ sequence: ChangeSequence, _ now: Timestamp) {
        let hash = Hash128(change.key)
        if let entry = MemoryEntry(change, sequence, now) {
            memory.shard(hash).put(hash, entry)
        } else {
            memory.shard(hash).invalidate(hash, below: sequence)
        }
    }

    private func writeThrough(
        _ changes: [LocalChange], to remote: any RemoteStore, now: Timestamp
    ) async throws(CacheError) {
        let hashes = changes.map { Hash128($0.key) }
        var tickets: [Int: MemoryTier.Shard.Ticket] = [:]
        for hash in hashes { tickets[memory.stripe(hash)] = memory.shard(hash).ticket(hash) }
        let writes = changes.map { change in
            RemoteWrite(
                key: change.key,
                action: change.value.map { .put($0, timeToLive: now.duration(to: change.staleAt)) } ?? .delete)
        }
        var failure: CacheError?
        var results: [RemoteWriteResult] = []
        do {
            results = try await remote.write(writes)
            if results.count != writes.count {
                failure = CacheError(.internalFault, "the remote store answered for another number of writes")
            }
        } catch {
            failure = error
        }
        for (index, hash) in hashes.enumerated() {
            if failure == nil, case .failed(let error) = results[index] { failure = error }
            // After a failure nobody knows what the remote holds: memory must ask again.
            let entry = failure == nil ? MemoryEntry(changes[index], .zero, now) : nil
            let stripe = memory.stripe(hash)
            guard let ticket = tickets[stripe] else { continue }
            tickets[stripe] = memory.shard(hash).end(hash, entry, ticket: ticket)
        }
        if let failure {
            counters.lastRemoteError.note(failure, at: now)
            throw failure
        }
    }
}

extension MemoryEntry {
    /// The entry that a put leaves; `nil` for a delete.
    fileprivate init?(_ change: LocalChange, _ sequence: ChangeSequence, _ now: Timestamp) {
        guard let value = change.value else { return nil }
        self.init(
            bytes: value, form: change.form, mode: change.mode, expiresAt: change.expiresAt, staleAt: change.staleAt,
            writtenAt: now, sequence: sequence)
    }
}

extension CacheError {
    static func invalidTTL() -> CacheError {
        CacheError(.invalidArgument, "a TTL lies between one millisecond and ten years")
    }
}
