internal import CacheKit
internal import CacheKitCore

/// Checks of what key rotation does to rows.
extension LocalStoreConformance {
    private static let old = KeyFingerprint(high: 1, low: 2)
    private static let current = KeyFingerprint(high: 3, low: 4)

    /// Every row that the search gives, and the counts of its steps.
    private func search(
        _ store: any LocalStore, limit: Int = 100, byteLimit: Int = 1 << 20
    ) async throws -> (rows: [Change], waiting: Int, scanned: Int) {
        var rows: [Change] = []
        var waiting = 0
        var scanned = 0
        var cursor: RowCursor?
        for _ in 0..<1000 {
            let step = try await store.rows(
                sealedUnderOtherThan: Self.current, after: cursor, limit: limit, byteLimit: byteLimit)
            try require(step.rows.count <= limit, "a step gives at most as many rows as asked for")
            let bytes = step.rows.dropLast().reduce(0) { $0 + ($1.entry.value?.count ?? 0) }
            try require(step.rows.count < 2 || bytes < byteLimit, "a step stops after about the bytes asked for")
            try require(step.unreadable == 0, "rows that nobody altered authenticate")
            rows += step.rows
            waiting += step.waiting
            scanned += step.scanned
            guard let next = step.next else { return (rows, waiting, scanned) }
            cursor = next
        }
        try require(false, "the search comes to an end")
        return ([], 0, 0)
    }

    private func resealed(_ change: Change, _ value: [UInt8], expected: ChangeSequence? = nil) -> ResealedValue {
        ResealedValue(
            key: change.key, value: value, fingerprint: Self.current, expected: expected ?? change.entry.sequence)
    }

    func findsOlderSeals(_ store: any LocalStore) async throws {
        let value = [UInt8](repeating: 3, count: 100)
        for number in 0..<30 {
            let form: ValueForm = [.sealed(Self.old), .sealed(Self.current), .plain][number % 3]
            try await store.commit([put("key:\(number)", value, form: form)])
        }
        let last = try await store.commit([delete("deleted")])[0]
        try await store.settle(Settlement(through: last))
        let expected = Set(stride(from: 0, to: 30, by: 3).map { "key:\($0)" })
        for (limit, byteLimit) in [(100, 1 << 20), (3, 1 << 20), (100, 250), (1, 1)] {
            let found = try await search(store, limit: limit, byteLimit: byteLimit)
            try require(found.rows.count == 10, "each value under an older key is found once")
            try require(Set(found.rows.map(\.key.string)) == expected, "no other value is found")
            try require(found.scanned == 31, "every row is looked at once")
            try require(found.rows.allSatisfy { $0.entry.value == value }, "values are given as they are held")
        }
    }

    func resealComparesAndSets(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([
            put("a", [1, 1], form: .sealed(Self.old)), put("b", [2, 2], form: .sealed(Self.old)),
            put("plain", [3, 3]),
        ])
        try await store.settle(Settlement(through: sequences[2]))
        try await store.fill([RemoteFill(change: put("filled", [4, 4], form: .sealed(Self.old)), expected: nil)])
        let found = try await search(store).rows.sorted { $0.key.string < $1.key.string }
        try require(found.map(\.key.string) == ["a", "b", "filled"], "values under an older key are found")
        let before = try await store.read(found.map(\.key))
        let stored = try await store.reseal([
            resealed(found[0], [9, 9]), resealed(found[1], [9, 9], expected: found[0].entry.sequence),
            resealed(found[2], [8, 8]),
        ])
        try require(stored == [true, false, true], "each value has its own condition")
        let after = try await store.read(found.map(\.key))
        try require(after.map(\.?.value) == [[9, 9], [2, 2], [8, 8]], "a refused value changes nothing")
        for (old, new) in zip(before, after) {
            try require(
                old?.version == new?.version && old?.sequence == new?.sequence && old?.origin == new?.origin
                    && old?.expiresAt == new?.expiresAt && old?.staleAt == new?.staleAt && old?.mode == new?.mode,
                "nothing but value and key changes")
        }
        try require(after[0]?.form == .sealed(Self.current), "the row says which key seals it")
        try require(
            try await store.reseal([resealed(found[0], [7, 7])]) == [false], "what is under that key already stays")
        let change = Change(key: try CacheKey("plain"), entry: found[0].entry)
        try require(
            try await store.reseal([resealed(change, [7, 7], expected: sequences[2])]) == [false],
            "a plain value is never sealed under the tenant's key")
        let missing = Change(key: try CacheKey("missing"), entry: found[0].entry)
        try require(try await store.reseal([resealed(missing, [7, 7])]) == [false], "no row is made")
        try require(try await search(store).rows.map(\.key.string) == ["b"], "what was sealed anew is not found again")
        try require(try await store.backlog().changes == 0, "sealing anew is no change for the remote")
        try require(try await store.lastSequence().number == 4, "sealing anew draws no sequence")
    }

    func resealSparesWhatWaits(_ store: any LocalStore) async throws {
        let form = ValueForm.sealed(Self.old)
        let sequences = try await store.commit([
            put("settled", [1], form: form), put("refused", [2], form: form), put("pending", [3], form: form),
        ])
        let letter = DeadLetter(
            sequence: sequences[1], key: try CacheKey("refused"), reason: CacheError(.remoteRejected, "refused"))
        try await store.settle(Settlement(through: sequences[1], deadLetters: [letter]))
        let found = try await search(store)
        try require(found.rows.map(\.key.string) == ["settled"], "only what is settled is given")
        try require(found.waiting == 2, "what waits is counted")
        for (name, sequence) in [("refused", sequences[1]), ("pending", sequences[2])] {
            let change = Change(key: try CacheKey(name), entry: found.rows[0].entry)
            try require(
                try await store.reseal([resealed(change, [9], expected: sequence)]) == [false],
                "what waits is not sealed anew")
        }
        // Between reading and writing the key was written again.
        try await store.commit([put("settled", [5], form: form)])
        try require(
            try await store.reseal([resealed(found.rows[0], [9])]) == [false], "a newer change is not replaced")
        try require(try await entry("settled", store)?.value == [5], "the newer change stays")
    }
}
