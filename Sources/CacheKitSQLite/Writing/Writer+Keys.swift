internal import CacheKit
internal import CacheKitCore

/// What key rotation does inside a transaction.
extension Writer {
    /// Puts values sealed anew in the place of the same ones where nothing changed meanwhile.
    func reseal(_ values: [ResealedValue]) throws(CacheError) -> [Bool] {
        let history = try KeyHistory.read(meta, file.keys)
        let watermark = try readWatermark()
        let protectsPending = try hasRemote()
        var stored: [Bool] = []
        for resealed in values {
            try history.requireNewest(resealed.fingerprint)
            let hash = try file.codec.hash(resealed.key)
            let target = try finder.withRow(hash) { table, row throws(CacheError) -> (RowTable, RowMetadata)? in
                // A row that does not authenticate is evidence, and stays as it is.
                guard let row, var metadata = try? file.codec.metadata(row, table: table),
                    ChangeSequence(metadata.sequence) == resealed.expected, let used = metadata.fingerprint,
                    used != resealed.fingerprint,
                    try isReplaceable(metadata, watermark, protectsPending: protectsPending)
                else { return nil }
                let isSynchronised = metadata.origin == .remote || metadata.sequence <= watermark.sequence
                if isSynchronised, !metadata.isResealed {
                    // The remote still holds what was sealed before.
                    metadata.base = RowBase(metadata.valueFingerprint)
                    metadata.isResealed = true
                }
                metadata.fingerprint = resealed.fingerprint
                metadata.valueLength = resealed.value.count
                metadata.valueTag = resealed.value.withUnsafeBytes { RowMetadata.tag(of: $0) }
                metadata.valueDigest = try RowMetadata.digest(of: resealed.value)
                return (table, metadata)
            }
            stored.append(target != nil)
            if let (table, metadata) = target { try rows.reseal(metadata, resealed.value, hash, in: table) }
        }
        return stored
    }

    /// Refuses a value under a key that was retired: whoever opens the file later may not have it any more.
    func isRetired(_ change: LocalChange) throws(CacheError) -> Bool {
        guard change.value != nil else { return false }
        let epoch = try currentClock().keyEpoch
        return try retiredKeys.contains(change.form, epoch: epoch) { () throws(CacheError) in
            try KeyHistory.read(meta, file.keys)
        }
    }

    /// Takes the wraps of keys out of the file and remembers that they must not come back.
    ///
    /// - Parameter sequence: Rows up to this change were found not to need them.
    func retire(_ fingerprints: [KeyFingerprint], scannedThrough sequence: UInt64) throws(CacheError) {
        try transaction(changeCount: 0, synced: true) { () throws(CacheError) in
            var history = try KeyHistory.read(meta, file.keys)
            for fingerprint in fingerprints {
                guard let record = history.record(fingerprint) else {
                    throw CacheError(
                        .invalidArgument, "the file does not know key \(fingerprint); see 'cachekit stats'")
                }
                guard record != history.newest else {
                    throw CacheError(
                        .invalidArgument,
                        "key \(fingerprint) is the current one; make its successor current before you retire it")
                }
                let late = try rowCount(under: fingerprint, after: sequence)
                guard late == 0 else {
                    throw CacheError(
                        .keyInUse,
                        "another process still seals under key \(fingerprint): give it the newer key as current first")
                }
                if let check = KeyFingerprint(bytes: record.check) {
                    try meta.delete(KeyWraps.name(check: check))
                }
                history.retire(fingerprint)
            }
            try meta.setSealed(KeyHistory.name, history.encoded, file.keys)
            try advanceKeyEpoch()
        }
    }

    private func rowCount(under fingerprint: KeyFingerprint, after sequence: UInt64) throws(CacheError) -> Int {
        var count = 0
        for table in RowTable.allCases {
            let select = try connection.prepare(
                "SELECT count(*) FROM \(table.name) WHERE change_seq > ?1 AND key_fingerprint = ?2")
            try select.bind(Int64(sequence), at: 1)
            try select.bind(fingerprint.bytes, at: 2)
            if try select.step() { count += Int(select.integer(0)) }
        }
        let conflicts = try connection.prepare("SELECT count(*) FROM conflicts WHERE key_fingerprint = ?1")
        try conflicts.bind(fingerprint.bytes, at: 1)
        if try conflicts.step() { count += Int(conflicts.integer(0)) }
        return count
    }
}

extension KeyHistory {
    /// Sealing under a key that was superseded would turn the rotation back.
    func requireNewest(_ fingerprint: KeyFingerprint) throws(CacheError) {
        guard !isSuperseded(fingerprint) else {
            throw CacheError(
                .wrongMasterKey,
                "the file knows a newer current key: give that one as the current key and this one as a previous one")
        }
    }
}
