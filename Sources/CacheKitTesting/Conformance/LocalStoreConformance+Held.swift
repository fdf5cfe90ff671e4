import CacheKit
import CacheKitCore

/// What is known of rows that the remote should hold, too.
extension LocalStoreConformance {
    private func version(after delay: Duration) -> Version {
        Version(stamp: UInt64(clock.now().advanced(by: delay).milliseconds) << 16, node: 9)
    }

    func fillKeepsVersions(_ store: any LocalStore) async throws {
        let ahead = version(after: .seconds(30))
        let value = RemoteFill(change: try put("key", [1]), version: ahead, expected: nil)
        try require(try await store.fill([value]) == [true], "a value is filled")
        try require(try await entry("key", store)?.version == ahead, "a fill keeps the version it is given")
        try await store.commit([put("key", [2])])
        guard let own = try await entry("key", store) else { return try require(false, "a change is read back") }
        try require(own.version > ahead, "a change is newer than what it replaces, though that be ahead")
        try await store.settle(Settlement(through: own.sequence))
        let gone = RemoteFill(change: try delete("key"), version: version(after: .seconds(31)), expected: own.sequence)
        try require(try await store.fill([gone]) == [true], "that nothing is there is kept, too")
        let tombstone = try await entry("key", store)
        try require(
            tombstone?.isTombstone == true && tombstone?.origin == .remote && tombstone?.version == gone.version,
            "it is a tombstone of the remote's, with its version")
        let year = version(after: .seconds(365 * 86_400))
        try await store.fill([RemoteFill(change: put("far", [1]), version: year, expected: nil)])
        try await store.commit([put("far", [2])])
        guard let near = try await entry("far", store) else { return try require(false, "a change is read back") }
        try require(near.version < year, "a clock that is wrong by a year is not followed")
        try require(near.version.time < clock.now().advanced(by: .seconds(60)), "nor does it move the store's own")
        clock.advance(by: .seconds(120))
        let read = version(after: .seconds(-1))
        try await store.fill([RemoteFill(change: put("read", [1]), version: read, expected: nil)])
        clock.advance(by: .seconds(-7200))
        try await store.commit([put("read", [2])])
        guard let late = try await entry("read", store) else { return try require(false, "a change is read back") }
        try require(late.version > read, "nor does a clock that falls behind make a change older than what it replaces")
    }

    func walksHeldRows(_ store: any LocalStore) async throws {
        let settled = try await store.commit((0..<20).map { try put("settled \($0)", [UInt8($0)]) })
        let dead = try await store.commit([put("dead", [1])])
        guard let last = dead.last else { return try require(false, "a change has a sequence") }
        let refusal = CacheError(.remoteRejected, "too large")
        try await store.settle(
            Settlement(
                through: last, deadLetters: [DeadLetter(sequence: last, key: CacheKey("dead"), reason: refusal)]))
        try await store.fill([RemoteFill(change: put("filled", [7]), version: version(after: .zero), expected: nil)])
        try await store.commit([delete("pending")])
        var rows: [String: HeldRow] = [:]
        var pending = 0
        var setAside = 0
        var cursor: RowCursor?
        for step in 0... {
            try require(step < 100, "the walk comes to an end")
            let page = try await store.heldRows(after: cursor, limit: 3)
            try require(page.rows.count + page.pending + page.setAside <= 3, "a page keeps its limit")
            for row in page.rows {
                try require(rows.updateValue(row, forKey: row.key.string) == nil, "each row is met once")
            }
            pending += page.pending
            setAside += page.setAside
            cursor = page.next
            if cursor == nil { break }
        }
        try require(pending == 1, "what waits for the remote is counted and left out")
        try require(setAside == 1, "so is what waits for a person")
        try require(rows.count == settled.count + 1, "every other row is met")
        for (name, row) in rows {
            guard let whole = try await entry(name, store) else { return try require(false, "the row is there") }
            try require(
                row.sequence == whole.sequence && row.version == whole.version && row.staleAt == whole.expiresAt
                    && row.byteCount >= whole.value?.count ?? 0 && !row.isTombstone && !row.isSealed,
                "it is what a read gives")
            let fingerprint = try whole.value.map { try ValueFingerprint(of: $0, form: .plain) }
            try require(row.fingerprint == fingerprint, "its fingerprint is that of its value")
        }
        try require(try await store.rowCount(through: settled[4]) == 5, "rows are counted up to a change")
    }
}
