internal import CacheKit
internal import CacheKitCore

/// The stages that look into the tables.
extension Doctor {
    /// The means to open rows; `nil` if no key opens the file.
    mutating func examineKeys(_ file: ReadOnlyFile) throws(CacheError) -> RowCodec? {
        guard let keyring else {
            report.add(
                .keys, .missingMasterKey, "no master key was given", meaning: "records and rows were not examined",
                remedy: "set CACHEKIT_MASTER_KEY or give --key-file")
            return nil
        }
        let (intact, damaged) = try countWraps(file)
        if damaged > 0 {
            report.add(
                .keys, .damagedStore, "\(damaged) of \(intact + damaged) wraps of the file's keys are damaged",
                meaning: "the master keys that they are for open the file no more",
                remedy: "open the file with a master key whose wrap is intact and the others as previous keys: "
                    + "the wraps are written again")
        }
        do throws(CacheError) {
            let codec = try file.codec(keyring)
            report.examined.append(.keys)
            return codec
        } catch  where error.code == .wrongMasterKey {
            report.add(
                .keys, error.code, "none of the master keys given opens the file",
                meaning: "this is no damage: \(intact) wraps for other master keys are intact",
                remedy: "give the master key that it was written with")
            return nil
        } catch {
            report.add(
                .keys, error.code, error.message, meaning: "without its keys nothing in the file can be read",
                remedy: "try every master key that was ever in use; else restore a backup")
            return nil
        }
    }

    private func countWraps(_ file: ReadOnlyFile) throws(CacheError) -> (intact: Int, damaged: Int) {
        var counts = (intact: 0, damaged: 0)
        do throws(CacheError) {
            let select = try file.connection.prepare("SELECT content FROM meta WHERE name GLOB 'wrap:*' LIMIT 256")
            while try select.step() {
                if (try? MetaTable.verify(select.bytes(0))) == nil { counts.damaged += 1 } else { counts.intact += 1 }
            }
        } catch  where error.code == .damagedStore {
            counts.damaged += 1
        }
        return counts
    }

    mutating func examineRecords(_ file: ReadOnlyFile, _ codec: RowCodec) throws(CacheError) {
        report.examined.append(.records)
        for name in ["tenant", "has_remote", KeyHistory.name, FileLocation.name, "clock", "watermark"] {
            do throws(CacheError) {
                guard let record = try file.meta.sealed(name, codec.keys) else { throw OpenedFile.incomplete }
                guard name == "tenant", !ConstantTime.equal(record, Array(tenant.utf8)) else { continue }
                report.add(
                    .records, .invalidConfiguration, "the file belongs to another tenant",
                    meaning: "this is no damage; its values do not open for the tenant given", remedy: "give --tenant")
            } catch  where [.damagedStore, .tamperedStore].contains(error.code) {
                report.add(
                    .records, error.code,
                    "the record \(name) is \(error.code == .tamperedStore ? "altered" : "missing or can't be read")",
                    meaning: "the file is not opened; its rows are not touched by this", remedy: Self.export)
            }
        }
        guard report.findings.allSatisfy({ $0.stage != .records }) else { return }
        do throws(CacheError) {
            try OwnRecords.check(file.connection, file.meta, codec)
        } catch  where [.damagedStore, .tamperedStore].contains(error.code) {
            report.add(
                .records, error.code, error.message,
                meaning: "the file is not opened; its rows are not touched by this",
                remedy: Self.export)
        }
    }

    mutating func examineRows(_ file: ReadOnlyFile, _ codec: RowCodec) throws(CacheError) {
        var rows = DoctorReport.Rows()
        let watermark = (try? file.meta.sealed("watermark", codec.keys)).flatMap { $0.flatMap { Watermark($0) } }
        let fingerprints = try keyring.map { keyring throws(CacheError) in
            try TenantCipher(keyring: keyring, tenant: tenant).fingerprints
        }
        var scan = RowScan()
        while let step = try scan.step(file.connection, codec) {
            rows.verified.add(step)
            for row in step {
                let isPending = row.isLocal && row.sequence > watermark?.sequence ?? 0
                guard case .intact(let change) = row.content else {
                    if isPending { rows.failedPending += 1 }
                    continue
                }
                if isPending { rows.pending += 1 }
                if !change.entry.isTombstone, !change.entry.isNegative, change.entry.staleAt > now {
                    rows.exportable += 1
                }
                if case .sealed(let key) = change.entry.form, fingerprints?.contains(key) == false {
                    rows.withoutKey += 1
                }
            }
        }
        rows.verified.isStructureIntact =
            scan.unreadablePlaces == 0 && !report.findings.contains { $0.stage == .structure }
        try examineSealedTables(file, codec, &rows)
        report.examined.append(.rows)
        report.rows = rows
        addFindings(rows, unreadablePlaces: scan.unreadablePlaces)
    }

    private func examineSealedTables(
        _ file: ReadOnlyFile, _ codec: RowCodec, _ rows: inout DoctorReport.Rows
    ) throws(CacheError) {
        (rows.deadLetters, rows.alteredDeadLetters) = try count(.deadLetters, file, codec)
        (rows.parked, rows.alteredParked) = try count(.parked, file, codec)
        (rows.conflicts, rows.alteredConflicts) = try count(.conflicts, file, codec)
        rows.alteredSendingRecords = try count(.marks, file, codec).altered
        do throws(CacheError) {
            _ = try file.meta.sent(codec.keys)
        } catch  where [.damagedStore, .tamperedStore].contains(error.code) {
            rows.alteredSendingRecords += 1
        }
    }

    private func count(
        _ table: SealedTable, _ file: ReadOnlyFile, _ codec: RowCodec
    ) throws(CacheError) -> (all: Int, altered: Int) {
        var counts = (all: 0, altered: 0)
        do throws(CacheError) {
            try table.forEach(file.connection, codec) { _, isIntact in
                counts.all += 1
                if !isIntact { counts.altered += 1 }
            }
        } catch  where error.code == .damagedStore {
            counts.altered += 1
        }
        return counts
    }

    private mutating func addFindings(_ rows: DoctorReport.Rows, unreadablePlaces: Int) {
        let isAltered = rows.verified.failures.contains { $0.code == .tamperedStore }
        if rows.verified.failedRows > 0 || unreadablePlaces > 0 {
            let numbers = rows.verified.failures.prefix(10).map { "\($0.sequence.number)" }.joined(separator: ", ")
            report.add(
                .rows, isAltered ? .tamperedStore : .damagedStore,
                "\(rows.verified.failedRows) rows do not authenticate or can't be read (changes \(numbers)), "
                    + "\(unreadablePlaces) places of the tables can't be read",
                meaning:
                    "their values are lost here, \(rows.failedPending) of them not known to Redis; pushing stops there",
                remedy: unreadablePlaces > 0 ? Self.export : "let pushing go on: cachekit doctor --set-aside FILE")
        }
        let altered: [(count: Int, what: String, meaning: String)] = [
            (
                rows.alteredDeadLetters, "dead letters",
                "why those changes were given up on is not known any more"
            ),
            (rows.alteredParked, "parked changes", "why those changes were set aside is not known any more"),
            (rows.alteredConflicts, "conflicts", "values that lost against the remote's are lost here too"),
            (
                rows.alteredSendingRecords, "records of what was sent",
                "nothing is pushed until they are gone; then less is known of what the remote may have lost"
            ),
        ]
        for (count, what, meaning) in altered where count > 0 {
            report.add(
                .rows, .tamperedStore, "\(count) \(what) do not authenticate", meaning: meaning,
                remedy: "cachekit doctor --set-aside FILE")
        }
        if rows.withoutKey > 0 {
            report.add(
                .rows, .authenticationFailed, "\(rows.withoutKey) values are sealed under a key that was not given",
                meaning: "they are intact and do not open", remedy: "add the older key to CACHEKIT_PREVIOUS_MASTER_KEYS"
            )
        }
    }
}
