public import CacheKit
public import CacheKitCore

extension SimulatedLocalStore {
    /// What was set aside, in order.
    public func changesSetAside(
        _ kind: SetAsideChange.Kind, after: ChangeSequence, limit: Int
    ) async throws(CacheError) -> ReviewPage<SetAsideChange> {
        try await using { state in
            let all = state.file.setAside(kind).filter { $0.sequence > after }
            return Self.page(all, limit, \.sequence)
        }
    }

    private static func page<Element: Sendable>(
        _ all: [Element], _ limit: Int, _ sequence: (Element) -> ChangeSequence
    ) -> ReviewPage<Element> {
        let page = Array(all.sorted { sequence($0) < sequence($1) }.prefix(max(1, min(limit, 1_000))))
        return ReviewPage(elements: page, next: page.count < all.count ? page.last.map(sequence) : nil)
    }

    /// Makes changes pending again.
    public func requeue(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try await decide(kind, changes) { file, change in
            guard var row = file.rows[change.key], row.sequence == change.sequence else { return .superseded }
            file.sequence += 1
            row.sequence = ChangeSequence(file.sequence)
            if change.reason == .parked(.tooOld) { row.isSentAtAnyAge = true }
            file.rows[change.key] = row
            return .done
        }
    }

    /// Gives changes up.
    public func drop(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]
    ) async throws(CacheError) -> [ReviewOutcome] {
        try await decide(kind, changes) { file, change in
            guard var row = file.rows[change.key], row.sequence == change.sequence else { return .done }
            row.origin = .remote
            row.version = .unknown
            file.rows[change.key] = row
            // The remote holds what the base says.
            file.resealed.insert(change.key)
            file.givenUp.insert(change.key)
            return .done
        }
    }

    private func decide(
        _ kind: SetAsideChange.Kind, _ changes: [ChangeSequence],
        _ decision: (inout SimulatedFile, SetAsideChange) -> ReviewOutcome
    ) async throws(CacheError) -> [ReviewOutcome] {
        try await using(.writes) { state in
            var outcomes: [ReviewOutcome] = []
            for sequence in changes {
                guard let change = state.file.setAside(kind).first(where: { $0.sequence == sequence }) else {
                    outcomes.append(.missing)
                    continue
                }
                outcomes.append(decision(&state.file, change))
                state.file.deadLetters.removeAll { kind == .deadLetter && $0.sequence == sequence }
                state.file.parked.removeAll { kind == .parked && $0.sequence == sequence }
                state.file.setAsideAt[sequence] = nil
            }
            return outcomes
        }
    }

    /// What lost, in order.
    public func conflicts(after: ChangeSequence, limit: Int) async throws(CacheError) -> ReviewPage<KeptConflict> {
        try await using { state in
            let all = state.file.conflicts.filter { $0.change.entry.sequence > after }.map { conflict in
                KeptConflict(
                    key: conflict.change.key, loss: conflict.loss, lostAt: conflict.lostAt,
                    loser: ReviewedRow(conflict.change.entry), isValueKept: !conflict.change.entry.isTombstone,
                    standing: state.file.rows[conflict.change.key].map(ReviewedRow.init))
            }
            return Self.page(all, limit, \.sequence)
        }
    }

    /// What lost, whole.
    public func loser(_ change: ChangeSequence) async throws(CacheError) -> Change? {
        try await using { state in state.file.conflicts.first { $0.change.entry.sequence == change }?.change }
    }

    /// Forgets losers.
    public func forget(losers changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome] {
        try await using(.writes) { state in
            changes.map { change in
                let index = state.file.conflicts.firstIndex { $0.change.entry.sequence == change }
                guard let index else { return .missing }
                state.file.conflicts.remove(at: index)
                return .done
            }
        }
    }

    /// Commits losers anew.
    public func reinstate(_ losers: [Reinstatement]) async throws(CacheError) -> [ReviewOutcome] {
        let now = clock.now()
        return try await using(.writes) { state in
            losers.map { loser in
                let key = loser.change.key
                let index = state.file.conflicts.firstIndex {
                    $0.change.entry.sequence == loser.loser && $0.change.key == key
                }
                guard let index else { return .missing }
                if state.file.rows[key]?.origin == .local, !loser.overwritesLocal { return .superseded }
                state.file.conflicts.remove(at: index)
                _ = state.file.store(loser.change, .local, at: now)
                return .done
            }
        }
    }

    /// How sending went.
    public func sendingProgress() async throws(CacheError) -> SendingProgress { try await using { $0.file.progress } }

    /// Keeps the last failure.
    public func note(sendingFailure error: CacheError) async throws(CacheError) {
        let now = clock.now()
        try await using(.writes) { state in
            state.file.progress.lastFailure = .init(at: now, code: error.code.description, message: error.message)
        }
    }
}

extension ReviewedRow {
    fileprivate init(_ entry: StoredEntry) {
        self.init(
            sequence: entry.sequence, version: entry.version, origin: entry.origin, isTombstone: entry.isTombstone,
            byteCount: entry.value?.count ?? 0, expiresAt: entry.expiresAt)
    }
}

extension SimulatedFile {
    fileprivate func setAside(_ kind: SetAsideChange.Kind) -> [SetAsideChange] {
        switch kind {
        case .deadLetter:
            deadLetters.map { letter in
                change(
                    letter.sequence, letter.key,
                    .refused(code: letter.reason.code.description, message: letter.reason.message))
            }
        case .parked: parked.map { change($0.sequence, $0.key, .parked($0.reason)) }
        }
    }

    private func change(
        _ sequence: ChangeSequence, _ key: CacheKey, _ reason: SetAsideChange.Reason
    ) -> SetAsideChange {
        let row = rows[key].flatMap { $0.sequence == sequence ? ReviewedRow($0) : nil }
        return SetAsideChange(
            sequence: sequence, key: key, reason: reason,
            setAsideAt: setAsideAt[sequence] ?? Timestamp(milliseconds: 0), row: row)
    }
}
