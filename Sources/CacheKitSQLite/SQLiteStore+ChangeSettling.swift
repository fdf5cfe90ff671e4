public import CacheKit
public import CacheKitCore

extension SQLiteStore {
    /// Who sends, and how far it got; opens the rows of marks, at most 64.
    public func sendingState() async throws(CacheError) -> SendingState {
        try await read { reader throws(CacheError) in try reader.sendingState() }
    }

    /// Notes what may be sent from now on; synced when this returns, whatever the durability.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` above the last change, and for a note of more than 64 KiB.
    public func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError) {
        try await writeSynced { writer throws(CacheError) in try writer.beginSending(through: sequence, fence: fence) }
    }

    /// Moves the watermark; see ``ChangeSettling/settle(_:)``.
    @discardableResult
    public func settle(_ settlement: Settlement) async throws(CacheError) -> Int {
        try await write { writer throws(CacheError) in try writer.settle(settlement) }
    }

    /// Changes overwritten above the watermark, by any process; none while the file had no remote.
    public func supersededCount() async throws(CacheError) -> Int {
        try await read { reader throws(CacheError) in try reader.supersededCount() }
    }

    /// Settled changes for sending again; see ``ChangeSettling/settledChanges(after:through:limit:byteLimit:)``.
    ///
    /// Ends before a row that does not authenticate, and throws where that is the first, as the feed does.
    public func settledChanges(
        after: ChangeSequence, through: ChangeSequence, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try await readSynced { reader, end throws(CacheError) in
            let last = min(end, through.number, try reader.watermark().sequence)
            return try reader.finder.changes(after: after, through: last, .settled, limit: limit, byteLimit: byteLimit)
        }
    }

    /// Replaces rows that lost and keeps them; see ``ChangeSettling/resolve(_:)``. 1,000 losers are kept, and 16 MiB of their
    /// values or a sixteenth of the file's bound; the oldest go first, and of one that is larger the value is not kept.
    ///
    /// A winner from the remote leaves a tombstone where it is under a retired key, or the file has no room: its value is read
    /// from there. One that is a change is refused then as any other.
    @discardableResult
    public func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool] {
        guard !resolutions.isEmpty else { return [] }
        let bytes = try checkedByteCount(resolutions.map(\.winner))
        let hashed = try resolutions.map { resolution throws(CacheError) in
            HashedResolution(
                sequence: resolution.sequence, winner: try HashedChange(resolution.winner, file.codec),
                version: resolution.version, loss: resolution.loss, isChange: resolution.isChange)
        }
        return try await write(bytes: bytes, changes: resolutions.count) { writer throws(CacheError) in
            try writer.resolve(hashed)
        }
    }

    /// Gives changes other versions; see ``ChangeSettling/restamp(_:at:)``. Synced when this returns.
    public func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        guard !stamps.isEmpty else { return [] }
        return try await writeSynced { writer throws(CacheError) in try writer.restamp(stamps, at: now) }
    }

    /// Draws a new node id, and forgets what was sent under the old one. Synced when this returns.
    public func reidentify() async throws(CacheError) -> UInt64 {
        try await writeSynced { writer throws(CacheError) in try writer.reidentify() }
    }

    /// Runs a body in a transaction that is synced, whatever the durability.
    private func writeSynced<Output: Sendable>(
        _ body: @escaping @Sendable (Writer) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        guard file.configuration.durability == .relaxed else { return try await write(body) }
        return try await write(transactional: false) { writer throws(CacheError) in
            try writer.transaction(changeCount: 0, synced: true) { () throws(CacheError) in try body(writer) }
        }
    }
}
