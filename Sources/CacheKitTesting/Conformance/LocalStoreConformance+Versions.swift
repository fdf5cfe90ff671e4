internal import CacheKit
internal import CacheKitCore

/// Checks of losing, of other versions, and of another node.
extension LocalStoreConformance {
    func replacesLosers(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([put("a", [1]), put("b", [2]), put("c", [3]), put("d", [4])])
        try await store.beginSending(through: sequences[3], fence: nil)
        // Written again since: what lost is not what stands there.
        let newer = try await store.commit([put("b", [5])])[0]
        var gone = try delete("c", life: .seconds(60))
        gone.mode = .interop
        let resolved = try await store.resolve([
            Resolution(sequence: sequences[0], winner: put("a", [11, 12], life: .seconds(30)), loss: .stale),
            Resolution(sequence: sequences[1], winner: put("b", [12]), loss: .foreign),
            Resolution(sequence: sequences[2], winner: gone, loss: .absent),
            Resolution(sequence: sequences[3], winner: put("missing", [1]), loss: .stale),
        ])
        try require(resolved == [true, false, true, false], "each loser has its own condition")
        let won = try await entry("a", store)
        try require(won?.value == [11, 12] && won?.origin == .remote, "the winner stands as read from the remote")
        try require(won?.expiresAt == clock.now().advanced(by: .seconds(30)), "with its own end")
        try require(won.map { $0.sequence > newer } == true, "and is a change for whoever follows the feed")
        try require(try won?.base == [fingerprint([11, 12])], "the remote is known to hold it")
        let tombstone = try await entry("c", store)
        try require(tombstone?.isTombstone == true && tombstone?.origin == .remote, "without a value it is a tombstone")
        try require(try await entry("b", store)?.value == [5], "a newer change is not replaced")
        try require(try await entry("missing", store) == nil, "no row is made")
        let statistics = try await store.statistics()
        try require(statistics.conflicts == 2, "losers are counted")
        try require(statistics.backlog.changes == 2, "a winner does not wait for the remote")
        let changed = try await store.changedKeys(after: newer, limit: 10).keys.map(\.key.string)
        try require(Set(changed) == ["a", "c"], "the feed has what was replaced")
        // A winner that is a change of this node: it waits, and knows what it would replace.
        try await store.beginSending(through: newer, fence: nil)
        let dropped = try await store.resolve([
            Resolution(sequence: newer, winner: delete("b"), loss: .foreign, isChange: true)
        ])
        let row = try await entry("b", store)
        try require(dropped == [true] && row?.isTombstone == true && row?.origin == .local, "a winner can be a change")
        try require(try row?.base == [fingerprint([2]), fingerprint([5])], "it knows what was on its way")
        try require(try await store.backlog().changes == 2, "and waits for the remote")
        try require(try await store.statistics().conflicts == 3, "its loser is counted too")
        guard let latest = row?.sequence else { return }
        // Settled by now, and still what stands there.
        try await store.settle(Settlement(through: latest))
        let again = try await store.resolve([
            Resolution(sequence: latest, winner: put("b", [13]), loss: .stale),
            Resolution(sequence: sequences[0], winner: put("a", [13]), loss: .stale),
        ])
        try require(again == [true, false], "a change that was settled can lose, and none loses twice")
        try require(try await store.resolve([]).isEmpty, "nothing comes of nothing")
    }

    func setsStampsBack(_ store: any LocalStore) async throws {
        let before = try await store.commit([put("before", [0])])[0]
        clock.advance(by: .seconds(5))
        let now = clock.now()
        clock.advance(by: .seconds(365 * 86_400))
        let wrong = clock.now()
        let names = ["a", "b", "c"]
        let sequences = try await store.commit([
            put("a", [1]), put("b", [2], form: .sealed(KeyFingerprint(high: 1, low: 2))), delete("c"),
        ])
        clock.advance(by: .zero - .seconds(365 * 86_400))
        let stamps =
            try zip(names, sequences).map { Restamp(key: try CacheKey($0), sequence: $1) } + [
                Restamp(key: CacheKey("before"), sequence: before), Restamp(key: CacheKey("a"), sequence: before),
                Restamp(key: CacheKey("missing"), sequence: before),
            ]
        let keys = try (names + ["before"]).map { try CacheKey($0) }
        let old = try await store.read(keys).compactMap { $0 }
        let versions = try await store.restamp(stamps, at: now)
        let new = try await store.read(keys).compactMap { $0 }
        try require(versions.map { $0 == nil } == [false, false, false, false, true, true], "each has its condition")
        try require(new.map(\.version) == versions.prefix(4).map { $0 }, "what is told is what stands there")
        try require(new[0].version < new[1].version && new[1].version < new[2].version, "their order stays")
        for (was, row) in zip(old, new).prefix(3) {
            try require(row.version.time == now, "a stamp that lies ahead is set back")
            try require(
                row.expiresAt == was.expiresAt.advanced(by: wrong.duration(to: now))
                    && row.staleAt == was.staleAt.advanced(by: wrong.duration(to: now)), "its ends by as much")
            try require(
                row.value == was.value && row.form == was.form && row.sequence == was.sequence
                    && row.origin == was.origin && row.mode == was.mode && row.base == was.base,
                "nothing else of it changes")
        }
        try require(
            new[3].version == old[3].version && new[3].expiresAt == old[3].expiresAt,
            "a stamp that does not lie ahead stays")
        try await store.commit([put("a", [3])])
        guard let later = try await entry("a", store)?.version else { return try require(false, "it is read back") }
        try require(later.time <= now.advanced(by: .seconds(1)), "later stamps do not follow the wrong clock")
        try require(new.allSatisfy { $0.version < later }, "and lie above those set back")
        try require(try await store.restamp([], at: now).isEmpty, "nothing comes of nothing")
    }

    func keepsEndsOfARightClock(_ store: any LocalStore) async throws {
        let year = Duration.seconds(365 * 86_400)
        clock.advance(by: year)
        try await store.commit([put("wrong", [1])])
        clock.advance(by: .zero - year)
        // Right again; stamps only grow, so this one is a year ahead, and its life is not.
        var kept = try put("kept", [3], life: year * 2)
        kept.staleAt = clock.now().advanced(by: .seconds(600))
        let sequences = try await store.commit([put("right", [2]), kept])
        let sequence = sequences[0]
        let old = try await entry("right", store)
        let now = clock.now()
        try require(old.map { $0.version.time > now.advanced(by: .seconds(86_400)) } == true, "stamps only grow")
        let versions = try await store.restamp([Restamp(key: CacheKey("right"), sequence: sequence)], at: now)
        let row = try await entry("right", store)
        try require(row?.version == versions[0] && row?.version.time == now, "the stamp is set back")
        try require(
            row?.expiresAt == old?.expiresAt && row?.staleAt == old?.staleAt && row?.expiresAt ?? now > now,
            "a life that was counted from the right time stays")
        _ = try await store.restamp([Restamp(key: CacheKey("kept"), sequence: sequences[1])], at: now)
        let stale = try await entry("kept", store)
        try require(
            stale?.staleAt == kept.staleAt && stale?.expiresAt == kept.expiresAt,
            "however long a value is kept beyond its life")
    }

    func stampsAboveOthers(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([put("a", [1]), put("b", [2])])
        let old = try await entry("a", store)
        let now = clock.now()
        let above = Version(stamp: UInt64(now.advanced(by: .seconds(60)).milliseconds) << 16, node: .max)
        let versions = try await store.restamp(
            [
                Restamp(key: CacheKey("a"), sequence: sequences[0], above: above),
                Restamp(
                    key: CacheKey("b"), sequence: sequences[1],
                    above: Version(stamp: 1, node: 1)),
            ], at: now)
        let row = try await entry("a", store)
        try require(versions[0].map { $0 > above } == true, "the version exceeds the one given")
        try require(
            versions[1].map { $0 > Version(stamp: above.stamp, node: 0) } == true, "and whatever was drawn before")
        try require(row?.version == versions[0], "what is told is what stands there")
        try require(
            row?.value == old?.value && row?.sequence == old?.sequence && row?.expiresAt == old?.expiresAt
                && row?.staleAt == old?.staleAt && row?.base == old?.base, "nothing else of it changes")
        // A life that begins when the value is sent is as long from the later version.
        let kept = try await store.commit([put("c", [3])])[0]
        guard let before = try await entry("c", store) else { return try require(false, "what was committed stands") }
        _ = try await store.restamp(
            [Restamp(key: CacheKey("c"), sequence: kept, above: versions[0], keepsLife: true)], at: now)
        let after = try await entry("c", store)
        try require(
            after.map { after in
                before.version.time.duration(to: before.staleAt) == after.version.time.duration(to: after.staleAt)
                    && before.staleAt.duration(to: before.expiresAt) == after.staleAt.duration(to: after.expiresAt)
            } == true, "a life that is kept is as long from the new version")
        try await store.commit([put("a", [2])])
        try require(
            try await entry("a", store).map { later in versions.allSatisfy { $0.map { $0 < later.version } == true } }
                == true, "later changes have newer versions")
    }

    func changesItsNode(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([put("a", [1]), put("b", [2])])
        let settlement = Settlement(
            through: sequences[0], marks: RemoteMarks(bucketCount: 256, sequences: [1: 1, 200: 1]))
        try await store.settle(settlement)
        try await store.beginSending(through: sequences[1], fence: [1])
        let former = try await store.sendingState()
        let node = try await store.reidentify()
        let state = try await store.sendingState()
        try require(node != former.node && state.node == node, "the node id is another one")
        try require(state.watermark == former.watermark, "what has an outcome keeps it")
        try require(
            state.sentThrough == state.watermark && state.marks == nil && state.fence == nil,
            "nothing was sent or acknowledged under the new one")
        let old = try await entry("b", store)
        try require(old?.version.node == former.node, "rows stay as they are")
        let versions = try await store.restamp(
            [Restamp(key: CacheKey("b"), sequence: sequences[1])], at: clock.now())
        let row = try await entry("b", store)
        try require(
            row?.version == versions[0] && row?.version.node == node && row?.version.stamp == old?.version.stamp,
            "until they are stamped for it, with their time")
        try require(row?.value == [2] && row?.expiresAt == old?.expiresAt, "and nothing else of them changes")
        try await store.commit([put("c", [3])])
        try require(try await entry("c", store)?.version.node == node, "new versions carry it")
        try await store.settle(
            Settlement(through: sequences[0], marks: RemoteMarks(bucketCount: 256, sequences: [2: 2])))
        try require(
            try await store.sendingState().marks == RemoteMarks(bucketCount: 256, sequences: [2: 2]),
            "and marks begin anew")
    }
}
