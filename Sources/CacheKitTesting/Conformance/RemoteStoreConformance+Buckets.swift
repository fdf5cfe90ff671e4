internal import CacheKit
internal import CacheKitCore

/// Checks of buckets, marks, views and sweeping.
extension RemoteStoreConformance {
    func hasBuckets(_ store: any RemoteStore) async throws {
        try require(store.bucketCount >= 1, "there is a bucket")
        var met: Set<Int> = []
        for number in 0..<500 {
            let key = try CacheKey("key:\(number)")
            let bucket = store.bucket(of: key)
            try require((0..<store.bucketCount).contains(bucket), "every key lies in one of the buckets")
            try require(bucket == store.bucket(of: key), "a key lies in the same bucket every time")
            met.insert(bucket)
        }
        try require(met.count > 1 || store.bucketCount == 1, "keys are spread over the buckets")
    }

    func raisesMarks(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        var stamp: UInt64 = 0
        func found(_ mark: UInt64, node: UInt64 = Self.node, expected: UInt64 = 0) async throws -> UInt64? {
            stamp += 1
            return try await push(
                store, [put(key, Self.sealed(1), at: stamp)], node: node, expected: expected, mark: mark
            ).mark
        }
        try require(try await found(5) == nil, "there is no mark before the first push")
        try require(try await found(3, expected: 5) == 5, "a push finds the mark of the one before")
        try require(try await found(1 << 63 | 1) == 5, "a mark only rises")
        try require(try await found(9, expected: 1 << 63 | 1) == 1 << 63 | 1, "a mark is a number of 64 bits")
        try require(try await found(9, node: 8) == nil, "every node has its own mark")
        try require(try await found(20, node: 8, expected: 10) == 9, "a bucket that has less than expected says so")
        try require(try await found(20, node: 8, expected: 9) == 9, "and keeps its mark until less is expected")
        let bucket = store.bucket(of: key)
        // A push without writes moves a mark, too.
        let bare = BucketPush(
            bucket: bucket, writes: [], node: 9, expectedMark: 0, mark: 4, recordsMayBeLost: false, now: Self.now)
        _ = try await store.push([bare])
        var marks: [UInt64?] = []
        for node in [Self.node, 8, 9, 10] as [UInt64] {
            marks.append(try await store.marks(of: node, in: [bucket])[0].get())
        }
        try require(marks == [1 << 63 | 1, 20, 4, nil], "the marks of a node are told")
    }

    func answersEveryPush(_ store: any RemoteStore) async throws {
        let keys = try (0..<40).map { try CacheKey("key:\($0)") }
        let groups = Dictionary(grouping: keys) { store.bucket(of: $0) }.sorted { $0.key < $1.key }
        func pushes(_ stamp: UInt64) -> [BucketPush] {
            groups.map { bucket, keys in
                BucketPush(
                    bucket: bucket, writes: keys.map { put($0, Self.sealed(1), at: stamp) }, node: Self.node,
                    expectedMark: 0, mark: stamp, recordsMayBeLost: false, now: Self.now)
            }
        }
        let rounds: [(UInt64, UInt64?, String)] = [(5, nil, "applied"), (5, 5, "already"), (6, 5, "applied")]
        for (stamp, before, verdict) in rounds {
            let answers = try await store.push(pushes(stamp))
            try require(answers.count == groups.count, "every push has an answer")
            for (answer, group) in zip(answers, groups) {
                guard case .weighed(let mark, let verdicts) = answer else {
                    return try require(false, "a push is weighed")
                }
                try require(mark == before, "a push finds the mark of its bucket")
                try require(
                    verdicts.map(Answer.name) == group.value.map { _ in verdict }, "every write has a verdict, in order"
                )
            }
        }
        let marks = try await store.marks(of: Self.node, in: groups.map(\.key).reversed()).map { try $0.get() }
        try require(marks == groups.map { _ in 6 }, "the marks of many buckets are told in their order")
    }

    func looksTheSameFromAllSides(_ store: any RemoteStore) async throws {
        let keys = try (0..<30).map { try CacheKey("key \($0)") }
        let versioned = put(keys[0], Self.sealed(1), at: 5)
        let tombstone = remove(keys[2], at: 5)
        _ = try await push(store, versioned)
        try await write(store, [RemoteWrite(key: keys[1], action: .put([1, 2, 3], timeToLive: .seconds(60)))])
        _ = try await push(store, tombstone)
        let views = try await store.inspect(keys)
        let glances = try await store.glance(keys)
        let traces = try await store.trace(keys)
        try require(
            views.count == keys.count && glances.count == keys.count && traces.count == keys.count,
            "every key has an answer")
        try require(
            views[0].entry?.value == Self.sealed(1) && views[0].record == record(versioned), "a value has its record")
        try require(views[1].entry?.value == [1, 2, 3] && views[1].record == nil, "a foreign value has none")
        try require(views[2].entry == nil && views[2].record == record(tombstone), "a tombstone has no value")
        try require(views[3...].allSatisfy { $0.entry == nil && $0.record == nil }, "what nobody wrote has neither")
        for (index, view) in views.enumerated() {
            let tail = view.entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) }
            try require(glances[index].tail == tail, "a glance has the last bytes of a value")
            try require((glances[index].remaining == nil) == (view.entry == nil), "a glance has the life of a value")
            try require(
                traces[index] == RemoteTrace(tail: tail, hasValue: view.entry != nil, record: view.record),
                "a trace has the last bytes of a value and its record")
        }
    }

    func sweepsEndedRecords(_ store: any RemoteStore) async throws {
        let keys = try neighbours(9, store)
        // A third ends in time, a third at that very time, a third later.
        let ends: [Duration] = [.milliseconds(-1), .zero, .milliseconds(1)]
        let writes = keys.enumerated().map { put($1, Self.sealed(1), at: 5, end: ends[$0 % 3]) }
        _ = try await push(store, writes)
        let bucket = store.bucket(of: keys[0])
        var removed = 0
        var cursor: UInt64 = 0
        var steps = 0
        repeat {
            let step = try await store.sweep(bucket: bucket, from: cursor, endedBefore: Self.now)
            (removed, cursor, steps) = (removed + step.removed, step.next, steps + 1)
            try require(steps < 10_000, "sweeping comes to an end")
        } while cursor != 0
        try require(removed == 3, "records that ended before are removed, and counted")
        let views = try await store.inspect(keys)
        try require(
            views.enumerated().allSatisfy { ($1.record == nil) == ($0 % 3 == 0) }, "no other record is removed")
        try require(views.allSatisfy { $0.entry != nil }, "values stay")
        let mark = try await store.marks(of: Self.node, in: [bucket])[0].get()
        try require(mark == 1, "marks stay")
    }
}
