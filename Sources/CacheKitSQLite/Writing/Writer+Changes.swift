internal import CacheKit
internal import CacheKitCore

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
            guard try !isRetired(change) else {
                throw CacheError(
                    .wrongMasterKey,
                    "the key that sealed the value was retired from the file; restart this process with the newer key")
            }
            if isNearBound {
                // Before the row is looked for: it may be the one that goes.
                let hasRoom = try makeRoom(bytes: change.byteCount, for: change.value == nil ? .tombstone : .value)
                if !hasRoom { try refuse(bytes: change.byteCount) }
            }
            let (place, base) = try finder.withRow(hashed.hash) { table, row throws(CacheError) in
                (
                    RowPlace(table: table, accessedAt: row?.integer(8)),
                    row.map { baseAfter($0, table: table, watermark) } ?? []
                )
            }
            let (sequence, version) = try nextChange(at: now)
            try rows.store(
                hashed, in: place, version: version, sequence: sequence, origin: .local, base: base, now: now)
            sequences.append(ChangeSequence(sequence))
            sweeper.note(expiry: change.expiresAt.milliseconds)
        }
        return sequences
    }

    /// What the remote may hold once the row is overwritten: its value, if that was synchronised; else what it was before.
    /// A plain value has no tag, so nothing is known of it.
    private func baseAfter(_ row: PreparedStatement, table: RowTable, _ watermark: Watermark) -> [UInt8] {
        // A row that does not authenticate tells nothing, and the write mends it.
        guard let metadata = try? file.codec.metadata(row, table: table) else { return [] }
        let isSynchronised = metadata.origin == .remote || metadata.sequence <= watermark.sequence
        // What was sealed anew is not what the remote holds: that stands in the base.
        guard isSynchronised, !metadata.isResealed else { return metadata.base }
        var base: [UInt8] = []
        if metadata.fingerprint != nil { base.append(bigEndian: metadata.valueTag) }
        return base
    }

    /// Stores values read from the remote where the row is still as it was before and nothing of it is pending.
    func apply(_ fills: [(hashed: HashedChange, expected: ChangeSequence?)]) throws(CacheError) -> [Bool] {
        let now = clock.now()
        let watermark = try readWatermark()
        let isNearBound = try isNearBound(bytes: fills.reduce(0) { $0 + $1.hashed.change.byteCount }, rows: fills.count)
        var stored: [Bool] = []
        for (hashed, expected) in fills {
            let change = hashed.change
            // Redis may hold values under a retired key for as long as they live; they are read from there. So are values
            // for which there is no room.
            var isTaken = try !isRetired(change)
            if isTaken, isNearBound { isTaken = try makeRoom(bytes: change.byteCount, for: .value) }
            guard isTaken else {
                stored.append(false)
                continue
            }
            let place = try finder.withRow(hashed.hash) { table, row throws(CacheError) -> RowPlace? in
                guard let row else { return expected == nil ? RowPlace(table: table) : nil }
                let metadata = try file.codec.metadata(row, table: table)
                let isFree = try isReplaceable(metadata, hashed.hash.bytes, watermark, protectsPending: true)
                guard ChangeSequence(metadata.sequence) == expected, isFree else { return nil }
                return RowPlace(table: table, accessedAt: row.integer(8))
            }
            stored.append(place != nil)
            guard let place else { continue }
            let (sequence, version) = try nextChange(at: now)
            var base: [UInt8] = []
            if case .sealed = change.form, let value = change.value {
                base.append(bigEndian: value.withUnsafeBytes { RowMetadata.tag(of: $0) })
            }
            try rows.store(
                hashed, in: place, version: version, sequence: sequence, origin: .remote, base: base, now: now)
            sweeper.note(expiry: change.expiresAt.milliseconds)
        }
        return stored
    }

    /// Whether a row may be lost: its change has a durable outcome and nobody has to look at it.
    func isReplaceable(
        _ metadata: RowMetadata, _ hash: [UInt8], _ watermark: Watermark, protectsPending: Bool
    ) throws(CacheError) -> Bool {
        guard protectsPending else { return true }
        guard metadata.origin == .remote || metadata.sequence <= watermark.sequence else { return false }
        return try !settlement.isSetAside(sequence: metadata.sequence, hash: hash)
    }

    /// Moves the watermark up, never down and never past the last change.
    func settle(through sequence: ChangeSequence, _ deadLetters: [DeadLetter]) throws(CacheError) {
        let now = clock.now()
        for letter in deadLetters { try settlement.insert(letter, file.codec, now: now) }
        let last = try readClock().lastSequence
        guard sequence.number <= last else {
            throw CacheError(.invalidArgument, "the watermark can't pass the last change; settle what the feed gave")
        }
        guard try readWatermark().sequence < sequence.number else { return }
        let watermark = Watermark(sequence: sequence.number)
        try meta.setSealed("watermark", watermark.encoded, file.keys)
        foundWatermark = watermark
        evictor.reconsider()
    }
}

extension LocalChange {
    /// Bytes of the value; 0 for a tombstone.
    var byteCount: Int { value?.count ?? 0 }
}
