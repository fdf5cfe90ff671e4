internal import CacheKit
internal import CacheKitCore

/// Checks of rows, their numbers, and values from the remote.
extension LocalStoreConformance {
    func readsOwnWrites(_ store: any LocalStore) async throws {
        let sealed = ValueForm.sealed(KeyFingerprint(high: 1, low: 2))
        var change = try put("users:1", [1, 2, 3])
        change.staleAt = clock.now().advanced(by: .seconds(60))
        change.mode = .interop
        let empty = try put("users:2", [])
        let long = try put("users:3", [UInt8](repeating: 7, count: 20_000), form: sealed)
        let sequences = try await store.commit([change, empty, long])
        let keys = try [CacheKey("users:3"), CacheKey("users:4"), CacheKey("users:1"), CacheKey("users:2")]
        let entries = try await store.read(keys)
        try require(entries.count == 4 && entries[1] == nil, "there is one answer for each key, in order")
        try require(entries[0]?.value == long.value && entries[0]?.form == sealed, "a sealed value is read as it is")
        try require(entries[3]?.value == [], "an empty value is a value, not a delete")
        guard let row = entries[2] else { return try require(false, "what was committed is read back") }
        try require(row.value == change.value && row.form == .plain, "a plain value is read as it is")
        try require(
            row.mode == .interop && row.expiresAt == change.expiresAt && row.staleAt == change.staleAt
                && row.origin == .local && row.sequence == sequences[0], "a row keeps mode, times and change")
        try require(try await store.read([]).isEmpty, "no keys have no answers")
        // Equal as text, not as bytes: Redis would hold two.
        try await store.commit([put("\u{E9}", [1]), put("e\u{301}", [2])])
        let accented = try await store.read([CacheKey("\u{E9}"), CacheKey("e\u{301}")])
        try require(accented.map(\.?.value) == [[1], [2]], "keys differ by their bytes")
    }

    func numbersChangesUniquely(_ store: any LocalStore) async throws {
        try require(try await store.lastSequence() == .zero, "an empty store has no change")
        let numbers = try await withThrowingTaskGroup(of: [UInt64].self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var numbers: [UInt64] = []
                    for number in 0..<10 {
                        let changes = try (0..<3).map { try self.put("key:\(writer):\(number % 4):\($0)", [UInt8($0)]) }
                        numbers += try await store.commit(changes).map(\.number)
                    }
                    return numbers
                }
            }
            return try await group.reduce(into: [[UInt64]]()) { $0.append($1) }
        }
        for list in numbers {
            try require(zip(list, list.dropFirst()).allSatisfy { $0 < $1 }, "a writer's changes grow in order")
        }
        let all = numbers.flatMap { $0 }
        try require(all.count == 240 && Set(all).count == 240, "every change has a sequence of its own")
        try require(try await store.lastSequence().number == all.max(), "the last sequence is the highest given out")
        try require(try await store.commit([]).isEmpty, "no changes have no sequences")
    }

    func versionsGrow(_ store: any LocalStore) async throws {
        var last: Version?
        for number in 0..<20 {
            try await store.commit([put("key", [UInt8(number)])])
            guard let version = try await entry("key", store)?.version else { continue }
            try require(last.map { $0 < version } ?? true, "a later change has the newer version")
            last = version
            // Not with the first ones: several changes share a millisecond.
            if number == 10 { clock.advance(by: .milliseconds(1500)) }
        }
        try require(last != nil, "what was committed is read back")
    }

    func keepsTombstones(_ store: any LocalStore) async throws {
        var change = try delete("key")
        change.form = .sealed(KeyFingerprint(high: 1, low: 2))
        try await store.commit([put("key", [1])])
        let sequence = try await store.commit([change])[0]
        let row = try await entry("key", store)
        try require(row?.isTombstone == true && row?.sequence == sequence, "a delete leaves a row without a value")
        try require(row?.form == .plain, "a tombstone is of plain form")
        try require(row?.expiresAt == change.expiresAt, "a tombstone keeps the time when it may be forgotten")
        let feed = try await feed(store, origin: .local)
        try require(feed.count == 1 && feed[0].entry.isTombstone, "the feed has the delete in the value's place")
        let statistics = try await store.statistics()
        try require(statistics.entries == 0 && statistics.tombstones == 1, "tombstones are counted apart")
        try await store.commit([put("key", [2])])
        try require(try await entry("key", store)?.value == [2], "a key can be put again after a delete")
    }

    func commitComparesAndSets(_ store: any LocalStore) async throws {
        func expecting(_ key: String, _ value: [UInt8], _ sequence: ChangeSequence) throws -> LocalChange {
            var change = try put(key, value)
            change.expected = sequence
            return change
        }
        let first = try await store.commit([put("key", [1]), put("other", [1])])
        let next = try await store.commit([expecting("key", [2], first[0]), expecting("other", [2], first[0])])
        try require(next[0] > first[1] && next[1] == .zero, "a change that is not stored has no sequence")
        try require(try await entry("key", store)?.value == [2], "a change is stored over the one that it expects")
        try require(try await entry("other", store)?.value == [1], "a change is not stored over another one")
        let again = try await store.commit([expecting("key", [3], first[0]), expecting("nobody", [3], first[0])])
        try require(again == [.zero, .zero], "what it expects stands no more, or never did")
        try require(try await entry("nobody", store) == nil, "a change that is not stored leaves no row")
        try require(
            try await feed(store).map(\.entry.value) == [[1], [2]], "a change that is not stored is not in the feed")
    }

    func fillComparesAndSets(_ store: any LocalStore) async throws {
        let absent = RemoteFill(change: try put("key", [1]), expected: nil)
        let other = RemoteFill(change: try put("other", [1]), expected: ChangeSequence(9))
        try require(try await store.fill([absent, other]) == [true, false], "each fill has its own condition")
        try require(try await store.fill([absent]) == [false], "a fill for an absent row spares a present one")
        try require(try await entry("other", store) == nil, "a refused fill stores nothing")
        guard let first = try await entry("key", store) else { return try require(false, "a fill is read back") }
        try require(first.origin == .remote && first.value == [1], "a fill is of the remote's origin")
        let next = RemoteFill(change: try put("key", [2]), expected: first.sequence)
        try require(try await store.fill([next]) == [true], "a fill replaces the row that was seen")
        try require(try await store.fill([next]) == [false], "a fill spares a row that was not seen")
        guard let second = try await entry("key", store) else { return try require(false, "a fill is read back") }
        try require(second.sequence > first.sequence && second.value == [2], "a fill is a change of its own")
        try require(try await store.backlog().changes == 0, "a fill does not wait for the remote")
        try require(try await feed(store, origin: .local).isEmpty, "a fill is not pushed back")
        try require(try await feed(store, origin: .remote).map(\.key) == [next.change.key], "a fill is in the feed")
    }

    func fillSparesPendingChanges(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([put("value", [1]), delete("deleted")])
        let fills = try [
            RemoteFill(change: put("value", [9]), expected: sequences[0]),
            RemoteFill(change: put("deleted", [9]), expected: sequences[1]),
        ]
        try require(try await store.fill(fills) == [false, false], "a fill spares changes that wait")
        try require(try await entry("value", store)?.value == [1], "a refused fill stores nothing")
        try await store.settle(Settlement(through: sequences[0]))
        try require(try await store.fill(fills) == [true, false], "a fill replaces a change once it is settled")
        try require(try await entry("value", store)?.value == [9], "a fill is read back")
        try require(try await entry("deleted", store)?.isTombstone == true, "a delete that waits hides the old value")
    }
}
