internal import CacheKit
internal import CacheKitCore

/// A ``Resolution`` with what the file needs to know of its winner.
struct HashedResolution: Sendable {
    var sequence: ChangeSequence
    var winner: HashedChange
    var version: Version
    var loss: Resolution.Loss
    var isChange: Bool
}

extension Writer {
    private struct Loser {
        var place: RowPlace
        var metadata: RowMetadata
        /// The value column; `nil` for a tombstone, and where it is too large to be kept.
        var value: [UInt8]?
        /// What the remote may hold once it is overwritten.
        var base: RowBase
    }

    /// Puts winners in the place of rows that still stand as they did, and keeps those within the bound.
    func resolve(_ resolutions: [HashedResolution]) throws(CacheError) -> [Bool] {
        let now = clock.now()
        let bytes = resolutions.reduce(0) { $0 + $1.winner.change.byteCount }
        // The loser moves, and its place is taken.
        let isNearBound = try isNearBound(bytes: bytes, rows: 2 * resolutions.count)
        var replaced: [Bool] = []
        for resolution in resolutions {
            // Before the row is looked for: it may be one that goes.
            let winner = try admitted(resolution, isNearBound)
            let loser = try loser(winner.hash, standingUnder: resolution.sequence)
            replaced.append(loser != nil)
            guard let loser else { continue }
            try conflicts.keep(loser.metadata, loser.value, hash: winner.hash, resolution.loss, now: now)
            let (sequence, version) = try nextChange(above: loser.metadata.version)
            try rows.store(
                winner, in: loser.place, version: resolution.isChange ? version : resolution.version,
                sequence: sequence,
                origin: resolution.isChange ? .local : .remote,
                base: resolution.isChange ? loser.base : RowBase(winner.fingerprint), now: now)
            sweeper.note(expiry: winner.change.expiresAt.milliseconds)
        }
        if replaced.contains(true) {
            try conflicts.trim()
            evictor.reconsider()
        }
        return replaced
    }

    /// The winner as the file takes it.
    ///
    /// Redis may hold values under a retired key for as long as they live; they are read from there. So are values for which
    /// there is no room. Either way the loser must not stand any longer.
    private func admitted(_ resolution: HashedResolution, _ isNearBound: Bool) throws(CacheError) -> HashedChange {
        let winner = resolution.winner
        guard !resolution.isChange else {
            try admit(winner.change, isNearBound)
            return winner
        }
        if try isRetired(winner.change) { return winner.withoutValue }
        guard isNearBound else { return winner }
        return try makeRoom(bytes: winner.change.byteCount, for: .value) ? winner : winner.withoutValue
    }

    private func loser(_ hash: KeyHash, standingUnder sequence: ChangeSequence) throws(CacheError) -> Loser? {
        let watermark = try readWatermark()
        return try finder.withRow(hash) { table, row throws(CacheError) in
            guard let row else { return nil }
            let metadata = try file.codec.metadata(row, table: table)
            guard metadata.sequence == sequence.number else { return nil }
            let isKept = !metadata.isTombstone && metadata.valueLength <= conflicts.byteLimit
            return Loser(
                place: RowPlace(table: table, accessedAt: row.integer(8)), metadata: metadata,
                value: isKept ? row.bytes(10) : nil, base: try baseAfter(metadata, watermark))
        }
    }
}
