internal import CacheKit
internal import CacheKitCore

extension Writer {
    private struct RestampedRow {
        var place: RowPlace
        var metadata: RowMetadata
        var value: [UInt8]?
        var isChanged = true
    }

    /// A clock that lies ahead by more than this was wrong, and would stamp on from there.
    private static let toleratedLead = Duration.seconds(1)

    /// Gives rows other versions where they still stand under the expected change; in a transaction that is synced.
    func restamp(_ stamps: [Restamp], at now: Timestamp) throws(CacheError) -> [Version?] {
        // Set back in the order given, from `now` on and whatever the file's clock says.
        var setBack = HybridLogicalClock()
        var highest: UInt64 = 0
        var versions: [Version?] = []
        let last = Version(stamp: try currentClock().lastStamp, node: 0).time
        let isAhead = last > now.advanced(by: Self.toleratedLead)
        for stamp in stamps {
            let hash = try file.codec.hash(stamp.key)
            let row = try finder.withRow(hash) { table, row throws(CacheError) -> RestampedRow? in
                guard let row else { return nil }
                let former = try file.codec.metadata(row, table: table)
                guard former.sequence == stamp.sequence.number else { return nil }
                let metadata = try restamped(former, stamp, isAhead, &setBack, now)
                let place = RowPlace(table: table, accessedAt: row.integer(8))
                guard metadata != former else { return RestampedRow(place: place, metadata: former, isChanged: false) }
                return try resealed(RestampedRow(place: place, metadata: metadata), row, former.version, hash)
            }
            if let row, row.isChanged { try store(row, hash) }
            let version = row?.metadata.version
            if let version { highest = max(highest, version.stamp) }
            versions.append(version)
        }
        if highest > 0 { try setClockBack(to: highest, now) }
        return versions
    }

    private func restamped(
        _ metadata: RowMetadata, _ request: Restamp, _ isAhead: Bool, _ setBack: inout HybridLogicalClock,
        _ now: Timestamp
    ) throws(CacheError) -> RowMetadata {
        var restamped = metadata
        var clock = try currentClock()
        var stamp = metadata.version.stamp
        if let above = request.above {
            // A clock that was wrong is not drawn from: it would put the change a year ahead.
            var drawn = HybridLogicalClock(last: isAhead ? above.stamp : max(clock.lastStamp, above.stamp))
            stamp = drawn.next(at: now)
            if !isAhead {
                clock.lastStamp = stamp
                fileClock = clock
            }
            let time = metadata.version.time.milliseconds
            let difference = Version(stamp: stamp, node: 0).time.milliseconds - time
            if request.keepsLife, difference > 0, metadata.staleAt > time {
                restamped.expiresAt = metadata.expiresAt.subtractingSaturated(-difference)
                restamped.staleAt = metadata.staleAt.subtractingSaturated(-difference)
            }
        } else if metadata.version.time > now {
            stamp = setBack.next(at: now)
            // A life that would end before it began was not counted from the stamp: the clock was right again, and the stamp only
            // kept above an earlier one.
            let isCountedFromStamp = metadata.staleAt > metadata.version.time.milliseconds
            let lead = isCountedFromStamp ? metadata.version.time.milliseconds - now.milliseconds : 0
            restamped.expiresAt = metadata.expiresAt.subtractingSaturated(lead)
            restamped.staleAt = metadata.staleAt.subtractingSaturated(lead)
        }
        restamped.version = Version(stamp: stamp, node: clock.node)
        return restamped
    }

    /// The row with its value column: a plain value is sealed to the version.
    private func resealed(
        _ restamped: RestampedRow, _ row: PreparedStatement, _ former: Version, _ hash: KeyHash
    ) throws(CacheError) -> RestampedRow {
        var restamped = restamped
        guard !restamped.metadata.isTombstone else { return restamped }
        var value = row.bytes(10)
        if restamped.metadata.fingerprint == nil {
            _ = try file.keys.valueKey()
            let plaintext = try? file.keys.openValue(row.blob(10), hash: row.blob(0), version: former)
            guard let plaintext else { throw RowCodec.tampered }
            value = try file.keys.sealValue(plaintext, hash: hash.bytes, version: restamped.metadata.version)
            restamped.metadata.valueTag = value.withUnsafeBytes { RowMetadata.tag(of: $0) }
        }
        restamped.value = value
        return restamped
    }

    private func store(_ row: RestampedRow, _ hash: KeyHash) throws(CacheError) {
        // Not a use of the row.
        try rows.put(row.metadata, row.value, hash, in: row.place, accessedAt: row.place.accessedAt ?? 0)
        sweeper.note(expiry: row.metadata.expiresAt)
    }

    /// What was reserved ahead of a wrong clock goes too: this transaction syncs every commit that drew from it.
    private func setClockBack(to stamp: UInt64, _ now: Timestamp) throws(CacheError) {
        var clock = try currentClock()
        let last = Version(stamp: clock.lastStamp, node: 0).time
        guard last > now.advanced(by: Self.toleratedLead) else { return }
        clock.lastStamp = stamp
        clock.reservedStamp = stamp
        fileClock = clock
    }
}

extension Int64 {
    fileprivate func subtractingSaturated(_ other: Int64) -> Int64 {
        let (difference, isOverflow) = subtractingReportingOverflow(other)
        return isOverflow ? (other > 0 ? .min : .max) : difference
    }
}
