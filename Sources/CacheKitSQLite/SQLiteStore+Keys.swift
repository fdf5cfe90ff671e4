public import CacheKit
public import CacheKitCore

/// What still needs one of the tenant's keys.
public struct KeyUse: Sendable, Equatable {
    /// How far a key has come.
    public enum Standing: String, Sendable {
        /// Decrypt-only so far: never the current key of a process that opened the file.
        case upcoming
        /// Became current last.
        case current
        /// Was current before.
        case previous
        /// Was retired: the file does not open with its master key.
        case retired
        /// No master key of the file's history derives it.
        case unknown
    }

    /// The tenant's key, as rows name it.
    public var fingerprint: KeyFingerprint
    /// How far it has come.
    public var standing = Standing.unknown
    /// Rows that can be sealed anew now.
    public var settledRows = 0
    /// Rows that wait for the remote.
    public var pendingRows = 0
    /// Rows that wait for a person: dead letters and parked ones.
    public var setAsideRows = 0
    /// Losing values that were kept.
    public var conflicts = 0

    /// Rows and kept values that only this key opens.
    public var total: Int { settledRows + pendingRows + setAsideRows + conflicts }

    init(fingerprint: KeyFingerprint) {
        self.fingerprint = fingerprint
    }
}

extension SQLiteStore {
    /// One step of the search for values under an older key; looks at 2,048 rows at most.
    public func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep {
        try await read { reader throws(CacheError) in
            try reader.rows(sealedUnderOtherThan: fingerprint, after: cursor, limit: limit, byteLimit: byteLimit)
        }
    }

    /// Puts values sealed anew in the place of the same ones; see ``LocalStore/reseal(_:)``.
    @discardableResult
    public func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool] {
        guard !values.isEmpty else { return [] }
        let bytes = values.reduce(0) { $0 + $1.value.count }
        return try await write(bytes: bytes) { writer throws(CacheError) in try writer.reseal(values) }
    }

    /// The key for whoever is to send this file's changes and open no value: see `Encryption.relay(file:)` of CacheKit.
    ///
    /// - Throws: ``CacheError/Code/missingMasterKey`` where this store was itself opened with one.
    public func relayKey() async throws(CacheError) -> RelayKey {
        let keyring = try file.access.keyring
        return try await read { reader throws(CacheError) in
            guard let databaseID = try reader.meta.checked("database_id"), databaseID.count == 16 else {
                throw OpenedFile.incomplete
            }
            return try KeyWraps(databaseID: databaseID).relayKey(keyring, reader.connection)
        }
    }

    /// What still needs each key that the file has met, the current one first. Reads every row's header, in small steps.
    public func keyUse() async throws(CacheError) -> [KeyUse] {
        var uses: [KeyFingerprint: KeyUse] = [:]
        var cursor: RowCursor?
        repeat {
            let before = uses
            let position = cursor
            (uses, cursor) = try await read { reader throws(CacheError) in
                var uses = before
                let next = try reader.addKeyUse(of: position, to: &uses)
                return (uses, next)
            }
            await Task.yield()
        } while cursor != nil
        let rows = uses
        return try await read { reader throws(CacheError) in
            var uses = rows
            try reader.addConflicts(to: &uses)
            return Self.ordered(uses, try reader.keyHistory())
        }
    }

    private static func ordered(_ uses: [KeyFingerprint: KeyUse], _ history: KeyHistory) -> [KeyUse] {
        var uses = uses
        var ordered: [KeyUse] = []
        let newest = history.newest?.fingerprint
        // Newest first, then those yet to come.
        for record in history.records.sorted(by: { $0.promotion > $1.promotion }) {
            var use = uses.removeValue(forKey: record.fingerprint) ?? KeyUse(fingerprint: record.fingerprint)
            use.standing =
                record.isRetired
                ? .retired
                : record.promotion == 0 ? .upcoming : record.fingerprint == newest ? .current : .previous
            ordered.append(use)
        }
        return ordered + uses.values.sorted { $0.fingerprint.description < $1.fingerprint.description }
    }

    /// Takes the wraps of keys out of the file for good: their master keys open it no more, and no ring brings them back.
    ///
    /// A process that has the file open goes on reading; what it would seal under a retired key is refused.
    ///
    /// - Throws: ``CacheError/Code/keyInUse`` while anything needs one of them, with what to do; then nothing has
    ///   changed. ``CacheError/Code/invalidArgument`` for the current key and for one that the file does not know.
    public func retire(_ fingerprints: [KeyFingerprint]) async throws(CacheError) {
        _ = try file.access.keyring
        // Whatever is sealed after this has a higher sequence, and is looked at again in the transaction.
        let scanned = try await lastSequence().number
        for use in try await keyUse() where fingerprints.contains(use.fingerprint) && use.total > 0 {
            guard use.standing != .current else { continue }
            throw CacheError(.keyInUse, Self.obstacles(use))
        }
        try await write(transactional: false) { writer throws(CacheError) in
            try writer.retire(fingerprints, scannedThrough: scanned)
        }
    }

    private static func obstacles(_ use: KeyUse) -> String {
        var parts: [String] = []
        if use.settledRows > 0 { parts.append("\(use.settledRows) rows: run 'cachekit keys rotate'") }
        if use.pendingRows > 0 {
            parts.append("\(use.pendingRows) pending rows: run 'cachekit sync push', then rotate")
        }
        if use.setAsideRows > 0 {
            parts.append(
                "\(use.setAsideRows) rows of dead letters or parked changes: retry or drop them with 'cachekit sync dead-letters' and 'cachekit sync parked'"
            )
        }
        if use.conflicts > 0 {
            parts.append(
                "\(use.conflicts) conflicts: see 'cachekit sync conflicts list', settle them with 'cachekit sync conflicts resolve'"
            )
        }
        return "key \(use.fingerprint) is still needed by \(parts.joined(separator: "; "))"
    }
}
