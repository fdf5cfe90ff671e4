import CacheKitCore
import Logging

/// Checking rows against the remote: asks, lets ``RowFinding`` decide, and takes in what was found.
extension Cache {
    /// Checks rows against the remote, takes in what is newer there, and gives what was found and what then stands.
    func check(
        _ questions: [RemoteQuestion], _ local: any LocalStore, _ remote: any RemoteStore, _ now: Timestamp
    ) async throws(CacheError) -> (findings: [RowFinding], entries: [MemoryEntry?]) {
        let asked = unverified.moment
        var findings: [RowFinding?] = try await glance(questions, remote, now)
        let unsure = findings.indices.filter { findings[$0] == nil }
        if !unsure.isEmpty {
            let views = try await remote.inspect(unsure.map { questions[$0].key })
            for (index, view) in zip(unsure, views) {
                let question = questions[index]
                findings[index] = RowFinding(
                    question.row?.entry, view, recordsMayBeLost: recordsMayBeLost(question, view), now: now)
            }
        }
        let found = findings.map { $0 ?? .unknown }
        try await restore(found, questions, local, remote, asked: asked, now)
        return (found, try await take(found, of: questions, local, asked: asked, now))
    }

    private func restore(
        _ findings: [RowFinding], _ questions: [RemoteQuestion], _ local: any LocalStore, _ remote: any RemoteStore,
        asked: UnverifiedRows.Moment, _ now: Timestamp
    ) async throws(CacheError) {
        let behind = findings.indices.filter { findings[$0] == .behind }
        guard !behind.isEmpty else { return }
        let rows = behind.compactMap { index in
            questions[index].row.map { (key: questions[index].key, entry: $0.entry) }
        }
        for (index, isThere) in zip(behind, try await restore(rows, local, remote, now)) {
            let question = questions[index]
            // There may be more that it lost.
            suspectLoss(of: question.key)
            if isThere {
                unverified.stands(question.hash, asked: asked)
            } else {
                unverified.doubt(question.hash, asked: asked)
            }
        }
    }

    /// A record is kept for longer than the value lives: where it is missing beside a row that had one, the remote has lost
    /// it, though nobody may have noticed yet. What to think of that is left until marks were compared.
    private func recordsMayBeLost(_ question: RemoteQuestion, _ view: RemoteView) -> Bool {
        guard let synchronizer else { return false }
        guard let row = question.row?.entry, row.version > .unknown, Self.isSuspicious(view, beside: row, clock.now())
        else {
            unverified.trusts(question.hash)
            return synchronizer.mayHaveLost(question.key, since: nil)
        }
        let suspicion = unverified.suspects(
            question.hash, at: clock.uptime(), losses: synchronizer.losses)
        guard synchronizer.mayHaveLost(question.key, since: suspicion) else {
            unverified.trusts(question.hash)
            return false
        }
        suspectLoss(of: question.key)
        return true
    }

    /// A change whose life is over may have ended before it was sent, or have been there.
    private static func isSuspicious(_ view: RemoteView, beside row: StoredEntry, _ now: Timestamp) -> Bool {
        guard let record = view.record else { return true }
        return record.version < row.version && row.origin == .local && !row.isTombstone && !row.isLive(at: now)
    }

    private func suspectLoss(of key: CacheKey) {
        // Not while one is being looked into: that would begin anew each time.
        if synchronizer?.mayHaveLost(key, since: nil) == false { synchronizer?.suspectLoss() }
    }

    /// What can be told without the values: that sealed ones are still those that are held.
    private func glance(
        _ questions: [RemoteQuestion], _ remote: any RemoteStore, _ now: Timestamp
    ) async throws(CacheError) -> [RowFinding?] {
        var findings = [RowFinding?](repeating: nil, count: questions.count)
        let sealed = questions.indices.filter { index in
            guard let row = questions[index].row?.entry, case .sealed = row.form else { return false }
            return row.isLive(at: now)
        }
        guard !sealed.isEmpty else { return findings }
        for (index, glance) in zip(sealed, try await remote.glance(sealed.map { questions[$0].key })) {
            guard let row = questions[index].row?.entry, let value = row.value, let tail = glance.tail,
                try ValueFingerprint(of: value, form: row.form) == tail
            else { continue }
            unverified.trusts(questions[index].hash)
            findings[index] = .stands(until: glance.remaining.map { now.advanced(by: $0) })
        }
        return findings
    }

    /// A row that was changed by what was found.
    private struct Take {
        var index: Int
        var fill: RemoteFill
    }

    private func take(
        _ findings: [RowFinding], of questions: [RemoteQuestion], _ local: any LocalStore,
        asked: UnverifiedRows.Moment, _ now: Timestamp
    ) async throws(CacheError) -> [MemoryEntry?] {
        var entries = [MemoryEntry?](repeating: nil, count: questions.count)
        var takes: [Take] = []
        for (index, finding) in findings.enumerated() {
            let question = questions[index]
            if case .replaced = finding { counters.remoteHits.count() } else { countMissOrHit(finding, question, now) }
            if let fill = try fill(finding, question, now) {
                takes.append(Take(index: index, fill: fill))
                continue
            }
            entries[index] = question.fallback(at: now)
            switch finding {
            case .behind: break
            case .stands: if question.row != nil { unverified.stands(question.hash, asked: asked) }
            default:
                unverified.doubt(question.hash, asked: asked)
                continue
            }
            keepInMemory(entries[index], question)
        }
        try await store(takes, questions, local, asked: asked, into: &entries)
        return entries
    }

    private func countMissOrHit(_ finding: RowFinding, _ question: RemoteQuestion, _ now: Timestamp) {
        let isThere = question.fallback(at: now) != nil
        switch finding {
        case .stands where isThere, .behind where isThere: counters.remoteHits.count()
        default: counters.remoteMisses.count()
        }
    }

    /// What a finding writes to the store; `nil` for nothing.
    private func fill(
        _ finding: RowFinding, _ question: RemoteQuestion, _ now: Timestamp
    ) throws(CacheError) -> RemoteFill? {
        let row = question.row?.entry
        switch finding {
        case .replaced(let entry, let version):
            return RemoteFill(
                change: try recognised(entry, question.key, now), version: version, expected: row?.sequence)
        case .deleted(let version, let forgottenAt): return tombstone(question, version, until: forgottenAt)
        case .gone(let version):
            let end = version > .unknown ? now.advanced(by: configuration.tombstoneLifetime) : now
            return tombstone(question, version, until: end)
        case .stands(let end?):
            // Somebody shortened the life there; a little less is only the way here.
            guard let row, row.isLive(at: now), end < row.staleAt.advanced(by: .seconds(-1)) else { return nil }
            return RemoteFill(
                change: LocalChange(
                    key: question.key, value: row.value, form: row.form, mode: row.mode,
                    expiresAt: end.advanced(by: row.staleAt.duration(to: row.expiresAt)), staleAt: end),
                version: row.version, expected: row.sequence)
        case .stands, .behind, .unknown: return nil
        }
    }

    private func tombstone(_ question: RemoteQuestion, _ version: Version, until end: Timestamp) -> RemoteFill {
        let mode = question.row?.entry.mode ?? registry.policy(for: question.key).mode
        return RemoteFill(
            change: LocalChange(key: question.key, value: nil, form: .plain, mode: mode, expiresAt: end),
            version: version, expected: question.row?.entry.sequence)
    }

    /// Stores what was found, unless a change made here meanwhile decides otherwise: then that is the answer.
    private func store(
        _ takes: [Take], _ questions: [RemoteQuestion], _ local: any LocalStore, asked: UnverifiedRows.Moment,
        into entries: inout [MemoryEntry?]
    ) async throws(CacheError) {
        guard !takes.isEmpty else { return }
        let stored: [Bool]
        do {
            stored = try await local.fill(takes.map(\.fill))
        } catch {
            // A full disk must not keep a value from whoever asked for it, nor let what has gone be served.
            counters.storeFailures.count(takes.count)
            configuration.logger.warning(
                "what the remote said was not kept in the local store",
                metadata: [
                    "keys": .hashes(of: takes.map(\.fill.change.key), logHash(of:)),
                    "count": "\(takes.count)", "error": "\(error)",
                ])
            for take in takes {
                entries[take.index] = MemoryEntry(take.fill)
                if take.fill.change.value == nil { unverified.absent(questions[take.index].hash, asked: asked) }
            }
            return
        }
        let rows = try await local.read(takes.map { questions[$0.index].key })
        let now = clock.now()
        for (position, (take, row)) in zip(takes, rows).enumerated() {
            let question = questions[take.index]
            if stored[position] { unverified.found(question.hash, asked: asked) }
            guard let row else {
                memory.shard(question.hash).remove(question.hash)
                continue
            }
            // A row that does not give way is a change which waits, or was set aside for a person: it stands until then.
            if !stored[position], row.origin == .local { unverified.stands(question.hash, asked: asked) }
            let entry = row.isLive(at: now) ? MemoryEntry(row) : nil
            entries[take.index] = entry
            let isVerified = unverified.standing(question.hash, row.sequence) == .verified
            if entry == nil {
                memory.shard(question.hash).invalidate(question.hash, below: row.sequence)
            } else if isVerified {
                keepInMemory(entry, question)
            }
        }
    }

    private func keepInMemory(_ entry: MemoryEntry?, _ question: RemoteQuestion) {
        guard let entry else { return dropFromMemory(question) }
        memory.shard(question.hash).fill(question.hash, with: entry, ticket: question.ticket, at: clock.now())
    }

    private func dropFromMemory(_ question: RemoteQuestion) {
        memory.shard(question.hash).absentBelow(question.hash, ticket: question.ticket, at: clock.now())
    }
}

extension MemoryEntry {
    /// What is served of a fill that could not be kept; `nil` for a tombstone.
    fileprivate init?(_ fill: RemoteFill) {
        guard let value = fill.change.value else { return nil }
        self.init(
            bytes: value, form: fill.change.form, mode: fill.change.mode, expiresAt: fill.change.expiresAt,
            staleAt: fill.change.staleAt, writtenAt: fill.version.writtenAt, isNegative: fill.change.isNegative,
            sequence: .zero)
    }
}
