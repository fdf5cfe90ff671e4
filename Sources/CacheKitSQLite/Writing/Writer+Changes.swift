internal import CacheKit
internal import CacheKitCore

/// A ``RemoteFill`` with what the file needs to know of it.
struct HashedFill: Sendable {
    var hashed: HashedChange
    var version: Version
    var expected: ChangeSequence?
}

/// What the writer does inside a transaction for the calls of ``SQLiteStore``.
extension Writer {
    /// Stores changes made here.
    func apply(_ changes: [HashedChange]) throws(CacheError) -> [ChangeSequence] {
        let now = clock.now()
        var sequences: [ChangeSequence] = []
        sequences.reserveCapacity(changes.count)
        let watermark = try readWatermark()
        let isNearBound = try isNearBound(bytes: changes.reduce(0) { $0 + $1.change.byteCount }, rows: changes.count)
        for hashed in changes {
            let change = hashed.change
            // Before the row is looked for: it may be the one that goes.
            try admit(change, isNearBound)
            let found = try finder.withRow(hashed.hash) {
                table, row throws(CacheError) -> (RowPlace, RowBase, Version?)? in
                // A row that does not authenticate tells nothing, and the write mends it.
                let former = row.flatMap { try? file.codec.metadata($0, table: table) }
                if let expected = change.expected, former?.sequence != expected.number { return nil }
                if let former, former.origin == .local, former.sequence > watermark.sequence { superseded += 1 }
                let base = try former.map { former throws(CacheError) in try baseAfter(former, watermark) }
                return (RowPlace(table: table, accessedAt: row?.integer(8)), base ?? RowBase(), former?.version)
            }
            guard let (place, base, former) = found else {
                sequences.append(.zero)
                continue
            }
            let (sequence, version) = try nextChange(above: former)
            try rows.store(
                hashed, in: place, version: version, sequence: sequence, origin: .local, base: base, now: now)
            sequences.append(ChangeSequence(sequence))
            sweeper.note(expiry: change.expiresAt.milliseconds)
        }
        return sequences
    }

    /// Makes room for a change, or refuses it.
    func admit(_ change: LocalChange, _ isNearBound: Bool) throws(CacheError) {
        guard try !isRetired(change) else {
            throw CacheError(
                .wrongMasterKey,
                "the key that sealed the value was retired from the file; restart this process with the newer key")
        }
        guard isNearBound else { return }
        let hasRoom = try makeRoom(bytes: change.byteCount, for: change.value == nil ? .tombstone : .value)
        if !hasRoom { try refuse(bytes: change.byteCount) }
    }

    /// What the remote may hold once a row is overwritten.
    func baseAfter(_ metadata: RowMetadata, _ watermark: Watermark) throws(CacheError) -> RowBase {
        if metadata.origin == .remote || metadata.sequence <= watermark.sequence,
            try !isSetAside(metadata.sequence, metadata.origin)
        {
            // What was sealed anew is not what the remote holds: that stands in the base.
            return metadata.isResealed ? metadata.base : RowBase(metadata.valueFingerprint)
        }
        let mayBeSent = try metadata.sequence <= max(watermark.sequence, readSentThrough())
        return mayBeSent ? metadata.base.adding(metadata.valueFingerprint) : metadata.base
    }

    /// Whether a change was settled and yet not applied.
    private func isSetAside(_ sequence: UInt64, _ origin: EntryOrigin) throws(CacheError) -> Bool {
        guard origin == .local else { return false }
        if hasSetAside == nil { hasSetAside = try settlement.hasSetAside() }
        guard hasSetAside == true else { return false }
        return try settlement.isSetAside(sequence: sequence)
    }

    /// Stores what was read from the remote where the row is still as it was before and nothing of it is pending.
    func apply(_ fills: [HashedFill]) throws(CacheError) -> [Bool] {
        let now = clock.now()
        let watermark = try readWatermark()
        let isNearBound = try isNearBound(bytes: fills.reduce(0) { $0 + $1.hashed.change.byteCount }, rows: fills.count)
        var stored: [Bool] = []
        for fill in fills {
            let hashed = fill.hashed
            let change = hashed.change
            // Redis may hold values under a retired key for as long as they live; they are read from there. So are values
            // for which there is no room.
            var isTaken = try !isRetired(change)
            if isTaken, isNearBound {
                isTaken = try makeRoom(bytes: change.byteCount, for: change.value == nil ? .tombstone : .value)
            }
            guard isTaken else {
                stored.append(false)
                continue
            }
            let place = try finder.withRow(hashed.hash) { table, row throws(CacheError) -> RowPlace? in
                guard let row else { return fill.expected == nil ? RowPlace(table: table) : nil }
                let metadata = try file.codec.metadata(row, table: table)
                let isFree = try isReplaceable(metadata, watermark, protectsPending: true)
                guard ChangeSequence(metadata.sequence) == fill.expected, isFree else { return nil }
                return RowPlace(table: table, accessedAt: row.integer(8))
            }
            stored.append(place != nil)
            guard let place else { continue }
            // A stamp is drawn, too: should the clock fall behind, what is written over this row is newer all the same.
            let (sequence, _) = try nextChange()
            try rows.store(
                hashed, in: place, version: fill.version, sequence: sequence, origin: .remote,
                base: RowBase(hashed.fingerprint), now: now)
            sweeper.note(expiry: change.expiresAt.milliseconds)
        }
        return stored
    }

    /// Whether a row may be lost: its change has a durable outcome and nobody has to look at it.
    func isReplaceable(
        _ metadata: RowMetadata, _ watermark: Watermark, protectsPending: Bool
    ) throws(CacheError) -> Bool {
        guard protectsPending else { return true }
        guard metadata.origin == .remote || metadata.sequence <= watermark.sequence else { return false }
        return try !settlement.isSetAside(sequence: metadata.sequence)
    }
}

extension LocalChange {
    /// Bytes of the value; 0 for a tombstone.
    var byteCount: Int { value?.count ?? 0 }
}
