public import CacheKit
public import CacheKitCore
import Synchronization

extension SimulatedLocalStore {
    /// Who sends, and how far it got.
    public func sendingState() async throws(CacheError) -> SendingState {
        try await using { state in
            SendingState(
                node: state.file.node, watermark: state.file.watermark,
                sentThrough: max(state.file.sentThrough, state.file.watermark), marks: state.file.marks,
                fence: state.file.fence)
        }
    }

    /// Notes what may reach the remote.
    public func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError) {
        try await using(.writes) { state in
            state.file.sentThrough = max(state.file.sentThrough, sequence)
            if let fence { state.file.fence = fence }
            state.synced = state.file
        }
    }

    /// Moves the watermark up.
    @discardableResult
    public func settle(_ settlement: Settlement) async throws(CacheError) -> Int {
        let now = clock.now()
        return try await using(.writes) { state throws(CacheError) in
            guard settlement.through.number <= state.file.sequence else {
                throw CacheError(
                    .invalidArgument, "the watermark can't pass the last change; settle what the feed gave")
            }
            if settlement.through > state.file.watermark { state.file.progress.movedAt = now }
            let passed = state.file.rows.values.count {
                state.file.isPending($0) && $0.sequence <= settlement.through
            }
            state.file.account.passed += passed
            state.file.watermark = max(state.file.watermark, settlement.through)
            for change in settlement.deadLetters.map(\.sequence) + settlement.parked.map(\.sequence) {
                state.file.setAsideAt[change] = now
            }
            state.file.deadLetters += settlement.deadLetters
            state.file.parked += settlement.parked
            guard let marks = settlement.marks else { return passed }
            var kept = state.file.marks?.bucketCount == marks.bucketCount ? state.file.marks?.sequences ?? [:] : [:]
            kept.merge(marks.sequences) { $1 }
            state.file.marks = RemoteMarks(bucketCount: marks.bucketCount, sequences: kept)
            return passed
        }
    }

    /// Changes overwritten above the watermark.
    public func supersededCount() async throws(CacheError) -> Int { try await using { $0.file.superseded } }

    /// Settled changes, for sending again.
    public func settledChanges(
        after: ChangeSequence, through: ChangeSequence, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        let found = try await using { state -> (feed: [Change]?, last: ChangeSequence, setAside: Set<ChangeSequence>) in
            (
                state.feed(after: after, origin: .local, limit: .max, byteLimit: .max),
                min(through, state.file.watermark),
                Set(state.file.deadLetters.map(\.sequence) + state.file.parked.map(\.sequence))
            )
        }
        guard let feed = found.feed else { throw Self.tampered }
        var changes: [Change] = []
        var bytes = 0
        for change in feed {
            guard change.entry.sequence <= found.last else { break }
            if found.setAside.contains(change.entry.sequence) { continue }
            bytes += change.entry.value?.count ?? 0
            if changes.count == limit || (!changes.isEmpty && bytes > byteLimit) { break }
            changes.append(change)
        }
        return changes
    }

    /// Replaces rows that lost.
    @discardableResult
    public func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool] {
        let now = clock.now()
        return try await using(.writes) { state in
            return resolutions.map { resolution in
                let key = resolution.winner.key
                guard let row = state.file.rows[key], row.sequence == resolution.sequence else { return false }
                state.file.conflicts.append(
                    .init(loss: resolution.loss, change: Change(key: key, entry: row), lostAt: now))
                if state.file.conflicts.count > 1_000 { state.file.conflicts.removeFirst() }
                if state.file.isPending(row) { state.file.account.lost += 1 }
                if resolution.isChange { state.file.account.made += 1 }
                _ = state.file.store(
                    resolution.winner, resolution.isChange ? .local : .remote, version: resolution.version, at: now)
                return true
            }
        }
    }

    /// Gives changes other versions.
    public func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        try await using(.writes) { state in
            var setBack = HybridLogicalClock()
            var highest: UInt64 = 0
            let isAhead = Version(stamp: state.file.clock.last, node: 0).time > now.advanced(by: .seconds(1))
            let versions = stamps.map { stamp -> Version? in
                guard var row = state.file.rows[stamp.key], row.sequence == stamp.sequence else { return nil }
                var issued = row.version.stamp
                if let above = stamp.above {
                    // A clock that was wrong is not drawn from: it would put the change a year ahead.
                    var drawn = HybridLogicalClock(last: above.stamp)
                    if !isAhead { drawn.observe(state.file.clock.last) }
                    issued = drawn.next(at: now)
                    if !isAhead { state.file.clock = drawn }
                    let difference = row.version.time.duration(to: Version(stamp: issued, node: 0).time)
                    if stamp.keepsLife, difference > .zero, row.staleAt > row.version.time { row.move(by: difference) }
                } else if row.version.time > now {
                    issued = setBack.next(at: now)
                    let difference = row.staleAt > row.version.time ? now.duration(to: row.version.time) : .zero
                    row.expiresAt = row.expiresAt.advanced(by: .zero - difference)
                    row.staleAt = row.staleAt.advanced(by: .zero - difference)
                }
                highest = max(highest, issued)
                row.version = Version(stamp: issued, node: state.file.node)
                state.file.rows[stamp.key] = row
                return row.version
            }
            if isAhead, highest > 0 {
                state.file.clock = HybridLogicalClock(last: highest)
            }
            return versions
        }
    }

    /// Draws another node id.
    public func reidentify() async throws(CacheError) -> UInt64 {
        try await using(.writes) { state in
            state.file.node = state.nodes.next() | 1
            state.file.marks = nil
            state.file.fence = nil
            state.file.sentThrough = state.file.watermark
            return state.file.node
        }
    }
}
