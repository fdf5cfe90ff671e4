public import CacheKit
public import CacheKitCore

extension SQLiteStore {
    /// What is held for each key; a tampered row throws ``CacheError/Code/tamperedStore``.
    ///
    /// One descent of a B-tree, one HMAC and one or two AES-GCM opens per key.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] {
        if keys.count == 1 { return [try await read(keys[0])] }
        let now = clock.now()
        // Here, so that nobody waits for a reader while hashes are made.
        let hashes = try keys.map { key throws(CacheError) in try file.codec.hash(key) }
        return try await read { [accesses] reader throws(CacheError) in
            var entries: [StoredEntry?] = []
            entries.reserveCapacity(keys.count)
            for (key, hash) in zip(keys, hashes) {
                guard let (entry, id, accessedAt) = try reader.finder.read(key, hash) else {
                    entries.append(nil)
                    continue
                }
                if let id { accesses.note(id, last: accessedAt, now: now) }
                entries.append(entry)
            }
            return entries
        }
    }

    // One key is what most reads ask for, and lists of hashes and entries cost as much as finding the row's page.
    private func read(_ key: CacheKey) async throws(CacheError) -> StoredEntry? {
        let now = clock.now()
        let hash = try file.codec.hash(key)
        return try await read { [accesses] reader throws(CacheError) in
            guard let (entry, id, accessedAt) = try reader.finder.read(key, hash) else { return nil }
            if let id { accesses.note(id, last: accessedAt, now: now) }
            return entry
        }
    }

    /// Commits changes; see ``LocalStore/commit(_:)``.
    @discardableResult
    public func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        guard !changes.isEmpty else { return [] }
        let bytes = try checkedByteCount(changes)
        let hashed = try changes.map { change throws(CacheError) in try HashedChange(change, file.codec) }
        return try await write(bytes: bytes, changes: changes.count) { writer throws(CacheError) in
            try writer.apply(hashed)
        }
    }

    /// Stores values from the remote; see ``LocalStore/fill(_:)``.
    @discardableResult
    public func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] {
        guard !fills.isEmpty else { return [] }
        let bytes = try checkedByteCount(fills.map(\.change))
        let hashed = try fills.map { fill throws(CacheError) in
            HashedFill(
                hashed: try HashedChange(fill.change, file.codec), version: fill.version, expected: fill.expected)
        }
        return try await write(bytes: bytes, changes: fills.count) { writer throws(CacheError) in
            try writer.apply(hashed)
        }
    }

    // Before anything is queued, so that a caller's own fault costs nobody else a transaction.
    func checkedByteCount(_ changes: [LocalChange]) throws(CacheError) -> Int {
        let limit = file.configuration.maximumValueBytes
        var sum = 0
        for change in changes {
            let count = change.byteCount
            guard count <= limit else {
                throw CacheError(.valueTooLarge, "a value has \(count) bytes; at most \(limit) are allowed")
            }
            sum += count
        }
        return sum
    }

    /// The feed; see ``LocalStore/changes(after:origin:limit:byteLimit:)``.
    ///
    /// What was written here, by any process with any durability, is synced before it is given out under `.local`, so that
    /// nothing published can be lost.
    public func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        guard origin == .local else {
            return try await read { reader throws(CacheError) in
                try reader.finder.changes(
                    after: after, through: .max, .origin(origin), limit: limit, byteLimit: byteLimit)
            }
        }
        return try await readSynced { reader, end throws(CacheError) in
            try reader.finder.changes(
                after: after, through: end, .origin(.local), limit: limit, byteLimit: byteLimit)
        }
    }

    /// Reads in a snapshot up to the last change that is synced, which all are when this begins.
    func readSynced<Output: Sendable>(
        _ body: @escaping @Sendable (Reader, _ end: UInt64) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        let output = try await read { reader throws(CacheError) -> Output? in
            let clock = try reader.clock()
            guard clock.syncedSequence >= clock.lastSequence else { return nil }
            return try body(reader, clock.syncedSequence)
        }
        if let output { return output }
        try await sync()
        return try await read { reader throws(CacheError) in
            // The end is that of the same snapshot: others go on committing what is not synced.
            try body(reader, reader.clock().syncedSequence)
        }
    }

    /// The feed without its values; see ``LocalStore/changedKeys(after:limit:)``. One AES-GCM open per key.
    public func changedKeys(after: ChangeSequence, limit: Int) async throws(CacheError) -> ChangedKeys {
        try await read { reader throws(CacheError) in
            try reader.finder.changedKeys(after: after, through: reader.clock().lastSequence, limit: limit)
        }
    }

    private func sync() async throws(CacheError) {
        try await write(transactional: false) { writer throws(CacheError) in try writer.sync() }
    }

    /// The highest sequence committed, by any process.
    public func lastSequence() async throws(CacheError) -> ChangeSequence {
        ChangeSequence(try await read { reader throws(CacheError) in try reader.clock().lastSequence })
    }

    /// The watermark.
    public func watermark() async throws(CacheError) -> ChangeSequence {
        ChangeSequence(try await read { reader throws(CacheError) in try reader.watermark().sequence })
    }

    /// How many rows stand under changes up to one; reads that part of an index.
    public func rowCount(through sequence: ChangeSequence) async throws(CacheError) -> Int {
        try await reads.scan { reader throws(CacheError) in try reader.rowCount(through: sequence) }
    }

    /// How much waits for the remote; linear in that.
    public func backlog() async throws(CacheError) -> Backlog {
        try await reads.scan { reader throws(CacheError) in try reader.backlog() }
    }

    /// Whether another process put a change into the feed since the last call that said so; waits for no writer.
    public func hasForeignCommits() async throws(CacheError) -> Bool {
        try await reads.hasForeignCommits()
    }

    /// One small step of sweeping, evicting and shrinking; a few milliseconds.
    public func maintain() async throws(CacheError) -> Bool {
        let times = accesses.take(64)
        let isUnfinished = try await write(transactional: false) { writer throws(CacheError) in
            try writer.maintain(accesses: times)
        }
        return isUnfinished || !accesses.isEmpty
    }

    /// Rows without their values, in the order of the file; see ``LocalStore/heldRows(after:limit:)``.
    public func heldRows(after cursor: RowCursor?, limit: Int) async throws(CacheError) -> HeldRows {
        try await reads.scan { reader throws(CacheError) in try reader.heldRows(after: cursor, limit: limit) }
    }

    /// Takes the pusher's lease: a lock on `<path>-lease`.
    public func acquirePusherLease() async throws(CacheError) -> (any PusherLease)? {
        try reads.requireOpen()
        return try FileLease.acquire(file.path + "-lease")
    }

    /// Whether anybody has that lock.
    public func isPusherLeaseHeld() async throws(CacheError) -> Bool {
        try reads.requireOpen()
        return try FileLease.isHeld(file.path + "-lease")
    }

    /// What the file holds; reads every row's header.
    public func statistics() async throws(CacheError) -> LocalStoreStatistics {
        try await reads.scan { reader throws(CacheError) in try reader.statistics() }
    }

    /// Counted by this process since it opened the file.
    public var removals: LocalRemovals {
        LocalRemovals(evicted: file.removals.evicted, expired: file.removals.expired)
    }

    /// The file and its log.
    public var storedBytes: Int? {
        DatabaseFile.byteCount(file.path) + DatabaseFile.byteCount(file.path + "-wal")
    }

    /// Finishes what waits, empties the log, closes; the file is nobody's when this returns. Again is harmless.
    public func close() async {
        loadLocks.end()
        await backups.close()
        await reads.close()
        _ = try? await write(transactional: false) { writer throws(CacheError) in writer.close() }
        queue.close()
        await ended.wait()
    }
}
