import CacheKit
import CacheKitCore

/// What is kept beyond the life of values, and in the place of one.
extension LocalStoreConformance {
    func keepsStaleValues(_ store: any LocalStore) async throws {
        var own = try put("own", [1], life: .seconds(100))
        own.staleAt = clock.now().advanced(by: .seconds(10))
        var filled = try put("filled", [2], life: .seconds(100))
        filled.staleAt = own.staleAt
        let sequence = try await store.commit([own])[0]
        try await store.settle(Settlement(through: sequence))
        try await store.fill([RemoteFill(change: filled, expected: nil)])
        clock.advance(by: .seconds(99))
        try await maintain(store)
        for change in [own, filled] {
            let row = try await entry(change.key.string, store)
            try require(row?.value == change.value, "a value whose life is over is kept until it expires")
            try require(row?.staleAt == change.staleAt && row?.expiresAt == change.expiresAt, "with both its ends")
        }
        let held = try await held(store)
        try require(held.count == 2 && held.allSatisfy { $0.staleAt == own.staleAt }, "a walk tells when it ended")
    }

    private func held(_ store: any LocalStore) async throws -> [HeldRow] {
        var rows: [HeldRow] = []
        var page = HeldRows()
        repeat {
            page = try await store.heldRows(after: page.next, limit: 100)
            rows += page.rows
        } while page.next != nil
        return rows
    }

    private func nothing(_ key: String, _ expected: ChangeSequence?, version: Version = .unknown) throws -> RemoteFill {
        var change = try put(key, [])
        change.isNegative = true
        return RemoteFill(change: change, version: version, expected: expected)
    }

    func keepsNegativeResults(_ store: any LocalStore) async throws {
        let waits = try await store.commit([put("waits", [1])])[0]
        try require(
            try await store.fill([nothing("key", nil), nothing("waits", waits)]) == [true, false],
            "that there is nothing is kept where a value from the remote would be")
        guard let row = try await entry("key", store) else { return try require(false, "it is read back") }
        try require(row.isNegative && row.value == [] && row.origin == .remote, "as what it is")
        try require(row.base.isEmpty, "the remote is known to have nothing")
        try require(try await entry("waits", store)?.isNegative == false, "a value is none")
        try require(try await feed(store, origin: .local).map(\.key.string) == ["waits"], "it is sent to nobody")
        try require(try await store.backlog().changes == 1, "and waits for nobody")
        let feed = try await feed(store)
        try require(feed.first { $0.key.string == "key" }?.entry.isNegative == true, "the feed tells it from a value")
        let held = try await held(store)
        try require(
            held.map(\.key.string) == ["key"] && held[0].isNegative && held[0].fingerprint == .none,
            "so does a walk, and it has no fingerprint")
        try await store.commit([put("key", [2])])
        guard let written = try await entry("key", store) else { return try require(false, "it is read back") }
        try require(!written.isNegative && written.value == [2], "a change replaces it")
        try require(written.base.isEmpty, "and follows no value")
        try require(try await store.fill([nothing("filled", nil)]) == [true], "it is kept beside others")
        let seen = try await entry("filled", store)?.sequence
        try require(
            try await store.fill([RemoteFill(change: put("filled", [3]), expected: seen)]) == [true],
            "a value from the remote replaces it")
        let filled = try await entry("filled", store)
        try require(filled?.isNegative == false && filled?.value == [3], "and is read back")
        clock.advance(by: .seconds(1_000))
        try await maintain(store)
        try require(try await entry("waits", store) != nil, "maintenance spares what waits")
    }
}
