internal import CacheKit
internal import CacheKitCore

/// Checks of what people see and decide of changes that did not simply reach the remote.
extension LocalStoreConformance {
    private func setAside(_ store: any LocalStore) async throws -> [ChangeSequence] {
        let sequences = try await store.commit([
            put("refused", [1], life: .seconds(5)), put("old", [2], life: .seconds(5)), put("locked", [3]),
            put("again", [4]), delete("gone"), put("settled", [6]),
        ])
        clock.advance(by: .seconds(3))
        try await store.settle(
            Settlement(
                through: sequences[5],
                deadLetters: [
                    DeadLetter(
                        sequence: sequences[0], key: CacheKey("refused"),
                        reason: CacheError(.remoteRejected, "it said no")),
                    DeadLetter(
                        sequence: sequences[3], key: CacheKey("again"), reason: CacheError(.valueTooLarge, "too large")),
                ],
                parked: [
                    ParkedChange(sequence: sequences[1], key: CacheKey("old"), reason: .tooOld),
                    ParkedChange(sequence: sequences[2], key: CacheKey("locked"), reason: .needsKey),
                    ParkedChange(sequence: sequences[4], key: CacheKey("gone"), reason: .tooOld),
                ]))
        try await store.commit([put("again", [5])])
        return sequences
    }

    private func all(
        _ kind: SetAsideChange.Kind, _ store: any LocalStore, limit: Int = 1
    ) async throws -> [SetAsideChange] {
        var found: [SetAsideChange] = []
        var cursor: ChangeSequence? = .zero
        while let after = cursor {
            let page = try await store.changesSetAside(kind, after: after, limit: limit)
            try require(page.elements.count <= limit, "a page has at most as many as asked for")
            try require(page.unreadable == 0, "every record opens")
            found += page.elements
            try require(found.count < 100, "the pages come to an end")
            cursor = page.next
        }
        return found
    }

    func listsWhatWasSetAside(_ store: any LocalStore) async throws {
        try require(try await all(.parked, store).isEmpty, "an empty store has nothing to decide")
        let sequences = try await setAside(store)
        let rows = try await store.read([CacheKey("refused"), CacheKey("gone")]).compactMap { $0 }
        for limit in [1, 2, 100] {
            let letters = try await all(.deadLetter, store, limit: limit)
            try require(letters.map(\.sequence) == [sequences[0], sequences[3]], "each is listed once, in order")
            try require(letters.map(\.key.string) == ["refused", "again"], "with its key")
            try require(
                letters[0].reason == .refused(code: "remoteRejected", message: "it said no"), "with its reason")
            try require(letters.allSatisfy { $0.setAsideAt == clock.now() }, "with its time")
            try require(
                letters[0].row?.version == rows[0].version && letters[0].row?.byteCount ?? 0 > 0
                    && letters[0].row?.isTombstone == false, "with its row")
            try require(letters[1].row == nil, "one that was written over stands no more")
            let parked = try await all(.parked, store, limit: limit)
            try require(parked.map(\.sequence) == [sequences[1], sequences[2], sequences[4]], "parked ones, too")
            try require(
                parked.map(\.reason) == [.parked(.tooOld), .parked(.needsKey), .parked(.tooOld)],
                "each with its reason")
            try require(parked[2].row?.isTombstone == true, "a delete is one")
        }
    }

    func requeuesChanges(_ store: any LocalStore) async throws {
        let sequences = try await setAside(store)
        let names = ["refused", "old", "locked", "gone"]
        let keys = try names.map { try CacheKey($0) }
        let before = try await store.read(keys).compactMap { $0 }
        let last = try await store.lastSequence()
        try require(
            try await store.requeue(.deadLetter, [sequences[0], sequences[3], sequences[1], sequences[0]])
                == [.done, .superseded, .missing, .missing],
            "each is found in its own list, once, and one that was written over is forgotten")
        try require(
            try await store.requeue(.parked, [sequences[1], sequences[2], sequences[4]]) == [.done, .done, .done],
            "parked ones as well")
        let after = try await store.read(keys).compactMap { $0 }
        for (was, row) in zip(before, after) {
            try require(row.sequence > last, "a change that waits again has a new sequence")
            try require(
                row.version == was.version && row.value == was.value && row.form == was.form && row.base == was.base
                    && row.expiresAt == was.expiresAt && row.origin == .local && row.mode == was.mode,
                "nothing else of it changes")
        }
        try require(
            after.map(\.isSentAtAnyAge) == [false, true, false, true], "what was too old is sent however old it is")
        let feed = try await feed(store, origin: .local).filter { $0.entry.sequence > last }
        try require(feed.map(\.key.string) == ["refused", "old", "locked", "gone"], "the feed has it again, in order")
        try require(feed.map(\.entry.isSentAtAnyAge) == after.map(\.isSentAtAnyAge), "with what was decided")
        let statistics = try await store.statistics()
        try require(statistics.deadLetters == 0 && statistics.parked == 0, "nothing is left to decide")
        try require(statistics.backlog.changes == 5, "and all of it waits")
        clock.advance(by: .seconds(3600))
        try await maintain(store)
        try require(try await entry("old", store)?.value == [2], "its row stays, however long expired")
        try await store.commit([put("old", [9])])
        try require(try await entry("old", store)?.isSentAtAnyAge == false, "a later write is decided anew")
        try require(try await store.requeue(.parked, []).isEmpty, "nothing comes of nothing")
    }

    func dropsChanges(_ store: any LocalStore) async throws {
        let first = try await store.commit([put("old", [7])])[0]
        try await store.settle(Settlement(through: first))
        let sequences = try await setAside(store)
        let last = try await store.lastSequence()
        try require(
            try await store.drop(.deadLetter, [sequences[0], sequences[3], ChangeSequence(999)])
                == [.done, .done, .missing], "a change is dropped whether or not its row stands")
        try require(try await store.drop(.parked, [sequences[1]]) == [.done], "a parked one, too")
        try require(try await all(.deadLetter, store).isEmpty, "it is forgotten")
        try require(try await all(.parked, store).count == 2, "and no other is")
        try require(try await entry("old", store)?.value == [2], "its row stays readable")
        let row = try await entry("refused", store)
        try require(
            row?.value == [1] && row?.origin == .remote && row?.version == .unknown && row?.sequence == sequences[0],
            "as one from the remote that nobody gave a version")
        try require(try await entry("again", store)?.value == [5], "as does what was written over it")
        try require(try await store.backlog().changes == 1, "nothing of it waits")
        let settled = try await store.settledChanges(
            after: .zero, through: last, limit: 100, byteLimit: 1 << 20)
        try require(
            settled.map(\.key.string) == ["settled"], "it is not sent again when the remote has lost something")
        var held: HeldRow?
        var cursor: RowCursor?
        repeat {
            let page = try await store.heldRows(after: cursor, limit: 100)
            held = held ?? page.rows.first { $0.key.string == "old" }
            cursor = page.next
        } while cursor != nil
        try require(held.map { $0.fingerprint == .none } == true, "nor taken for what the remote holds")
        try await store.commit([put("old", [8])])
        try require(
            try await entry("old", store)?.base == [fingerprint([7])],
            "whoever writes next knows what the remote holds, which is not what was dropped")
        try require(
            try await store.fill([RemoteFill(change: put("refused", [9]), expected: sequences[0])]) == [true],
            "what the remote holds replaces it")
    }

    private func lose(_ store: any LocalStore) async throws -> [ChangeSequence] {
        let sealed = ValueForm.sealed(KeyFingerprint(high: 1, low: 2))
        let sequences = try await store.commit([
            put("a", [1]), put("b", [UInt8](repeating: 2, count: 20), form: sealed), delete("c"), put("d", [4]),
        ])
        clock.advance(by: .seconds(2))
        let resolved = try await store.resolve([
            Resolution(sequence: sequences[3], winner: put("d", [14]), loss: .absent),
            Resolution(sequence: sequences[0], winner: put("a", [11, 11]), loss: .stale),
            Resolution(sequence: sequences[1], winner: put("b", [12]), loss: .foreign),
            Resolution(sequence: sequences[2], winner: delete("c"), loss: .foreign),
        ])
        try require(resolved == [true, true, true, true], "each loses")
        try await store.commit([put("b", [22])])
        return sequences
    }

    func showsConflicts(_ store: any LocalStore) async throws {
        let sequences = try await lose(store)
        for limit in [1, 3, 100] {
            var found: [KeptConflict] = []
            var cursor: ChangeSequence? = .zero
            while let after = cursor {
                let page = try await store.conflicts(after: after, limit: limit)
                try require(page.elements.count <= limit && page.unreadable == 0, "a page keeps to its limit")
                found += page.elements
                try require(found.count < 100, "the pages come to an end")
                cursor = page.next
            }
            try require(found.map(\.sequence) == sequences, "each conflict is listed once, by the change that lost")
            try require(found.map(\.key.string) == ["a", "b", "c", "d"], "with its key")
            try require(found.map(\.loss) == [.stale, .foreign, .foreign, .absent], "with its reason")
            try require(found.allSatisfy { $0.lostAt == clock.now() }, "with its time")
            try require(found.map(\.isValueKept) == [true, true, false, true], "and whether there is a value")
            try require(found.map { $0.loser.isTombstone } == [false, false, true, false], "a delete can lose")
            let rows = try await store.read(found.map(\.key))
            try require(
                found.map { $0.standing?.version } == rows.map { $0?.version }
                    && found.map { $0.standing?.origin } == [.remote, .local, .remote, .remote],
                "beside what stands there now")
        }
        let plain = try await store.loser(sequences[0])
        try require(plain?.key.string == "a" && plain?.entry.value == [1], "the loser is given whole")
        let sealed = try await store.loser(sequences[1])
        try require(
            sealed?.entry.value == [UInt8](repeating: 2, count: 20)
                && sealed?.entry.form == .sealed(KeyFingerprint(high: 1, low: 2)), "as the remote would have held it")
        try require(try await store.loser(sequences[2])?.entry.isTombstone == true, "a delete without a value")
        try require(try await store.loser(ChangeSequence(999)) == nil, "and what did not lose not at all")
        try require(
            try await store.forget(losers: [sequences[0], sequences[0], ChangeSequence(999)])
                == [.done, .missing, .missing], "a loser is forgotten once")
        try require(try await entry("a", store)?.value == [11, 11], "and what won stands as it did")
        try require(try await store.statistics().conflicts == 3, "the others are kept")
    }

    func reinstatesLosers(_ store: any LocalStore) async throws {
        let sequences = try await lose(store)
        let winner = try await entry("a", store)
        let last = try await store.lastSequence()
        let pending = try await store.backlog().changes
        func again(_ name: String, _ loser: ChangeSequence, _ value: [UInt8], _ overwrites: Bool = false) throws
            -> Reinstatement
        {
            Reinstatement(loser: loser, change: try put(name, value), overwritesLocal: overwrites)
        }
        let outcomes = try await store.reinstate([
            again("a", sequences[0], [1]), again("b", sequences[1], [2]), again("d", ChangeSequence(999), [4]),
        ])
        try require(outcomes == [.done, .superseded, .missing], "each has its own condition")
        let row = try await entry("a", store)
        try require(row?.value == [1] && row?.origin == .local, "the loser stands as a change of this node")
        try require(row.map { $0.sequence > last } == true, "that the feed has")
        try require(
            row.flatMap { row in winner.map { row.version > $0.version } } == true, "with a newer version")
        try require(try row?.base == [fingerprint([11, 11])], "which knows what it replaces")
        try require(try await store.backlog().changes == pending + 1, "it waits for the remote")
        try require(try await entry("b", store)?.value == [22], "what was written here since stays")
        try require(try await store.statistics().conflicts == 3, "and its conflict is kept")
        try require(
            try await store.reinstate([again("a", sequences[0], [1])]) == [.missing], "nothing is written twice")
        try require(
            try await store.reinstate([again("b", sequences[1], [2], true)]) == [.done], "unless that is wanted")
        try require(try await entry("b", store)?.value == [2], "then it is replaced")
        let tombstone = Reinstatement(loser: sequences[2], change: try delete("c"), overwritesLocal: false)
        try require(try await store.reinstate([tombstone]) == [.done], "a delete is written again as one")
        try require(try await entry("c", store)?.origin == .local, "as a change")
    }

    func remembersProgress(_ store: any LocalStore) async throws {
        try require(try await store.sendingProgress() == SendingProgress(), "nothing was sent yet")
        let sequences = try await store.commit([put("a", [1]), put("b", [2])])
        try await store.note(sendingFailure: CacheError(.remoteUnavailable, "nobody answers"))
        let failure = SendingProgress.Failure(
            at: clock.now(), code: "remoteUnavailable", message: "nobody answers")
        try require(
            try await store.sendingProgress() == SendingProgress(lastFailure: failure), "a failure is kept")
        clock.advance(by: .seconds(9))
        try await store.settle(Settlement(through: sequences[0]))
        let progress = SendingProgress(movedAt: clock.now(), lastFailure: failure)
        try require(try await store.sendingProgress() == progress, "and when the watermark moved")
        clock.advance(by: .seconds(9))
        try await store.settle(Settlement(through: sequences[0]))
        try require(try await store.sendingProgress() == progress, "which it did not again")
        try require(try await !store.isPusherLeaseHeld(), "nobody has the lease")
        let lease = try await store.acquirePusherLease()
        try require(lease != nil, "asking takes nothing from anybody")
        let isHeld = try await store.isPusherLeaseHeld()
        try require(isHeld, "until somebody takes it")
        lease?.release()
        try require(try await !store.isPusherLeaseHeld(), "and gives it back")
    }
}
