import CacheKit
import CacheKitCore
import CacheKitTesting

/// A node's store: watches that what is settled has an outcome, and breaks what it is told to break.
///
/// Unchecked: see ``VirtualTime``.
final class WatchedStore: ForwardingStore, @unchecked Sendable {
    let base: SimulatedLocalStore
    private let world: World
    private let name: String
    private let pulledOver: PulledOver
    private var committedValues: [ChangeSequence: [UInt8]?] = [:]
    /// The last change of each key that was committed.
    private(set) var committed: [CacheKey: ChangeSequence] = [:]
    /// The largest part of the feed that was held at a time, in changes.
    private(set) var mostLoaded = 0

    init(_ base: SimulatedLocalStore, _ world: World, _ pulledOver: PulledOver, name: String) {
        self.base = base
        self.pulledOver = pulledOver
        self.world = world
        self.name = name
    }

    @discardableResult
    func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        let before = base.file.rows
        let superseded = base.file.superseded
        let sequences = try await base.commit(changes)
        for (change, sequence) in zip(changes, sequences) {
            committed[change.key] = max(committed[change.key] ?? .zero, sequence)
            committedValues[sequence] = change.value
        }
        if world.sabotage == .forgetsWhatWasOverwritten { base.alterFile { $0.superseded = superseded } }
        if world.sabotage == .reusesAVersion, world.chance(30) {
            base.alterFile { file in
                for change in changes {
                    if let old = before[change.key] { file.rows[change.key]?.version = old.version }
                }
            }
        }
        return sequences
    }

    func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        let changes = try await base.changes(after: after, origin: origin, limit: limit, byteLimit: byteLimit)
        mostLoaded = max(mostLoaded, changes.count)
        guard world.sabotage == .dropsExpiredChanges else { return changes }
        return changes.filter { $0.entry.isTombstone || $0.entry.staleAt > base.now }
    }

    @discardableResult
    func settle(_ settlement: Settlement) async throws(CacheError) -> Int {
        var settlement = settlement
        let file = base.file
        if world.sabotage == .movesTheWatermarkPastAGap, world.chance(20) {
            let last = file.rows.values.map(\.sequence).max() ?? .zero
            settlement.through = max(settlement.through, last)
        }
        let setAside = Set(settlement.deadLetters.map(\.sequence) + settlement.parked.map(\.sequence))
        for (key, row) in file.rows where row.origin == .local {
            guard row.sequence > file.watermark, row.sequence <= settlement.through else { continue }
            let isDone =
                setAside.contains(row.sequence) || world.remote.accepted[key]?.contains(row.accepted) == true
                || world.remote.expired[key]?.contains(row.version) == true
            if !isDone { world.violate("\(name) settled a change that has no outcome") }
            if let value = committedValues[row.sequence], value != row.value {
                world.violate("\(name) settled a change with another value than was committed")
            }
        }
        return try await base.settle(settlement)
    }

    @discardableResult
    func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool] {
        for resolution in resolutions where resolution.version == .unknown {
            pulledOver.foreign.insert(resolution.winner.key)
        }
        guard world.sabotage == .storesPulledValuesOverPendingOnes else { return try await base.resolve(resolutions) }
        var forced = resolutions
        let rows = base.file.rows
        for index in forced.indices {
            guard let row = rows[forced[index].winner.key] else { continue }
            forced[index].sequence = row.sequence
        }
        let kept = base.file.conflicts
        let replaced = try await base.resolve(forced)
        for (index, resolution) in resolutions.enumerated() where forced[index].sequence != resolution.sequence {
            base.alterFile { $0.conflicts = kept }
        }
        return replaced
    }

    func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] {
        var rows = try await base.read(keys)
        if world.sabotage == .forgetsVersionsOfRows { for index in rows.indices { rows[index]?.version = .unknown } }
        return rows
    }

    @discardableResult
    func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] {
        let before = base.file
        if world.sabotage == .forgetsWhatWasRead, world.chance(30) { return fills.map { _ in true } }
        let stored = try await base.fill(fills)
        for (fill, isStored) in zip(fills, stored) {
            let key = fill.change.key
            if isStored, fill.version == .unknown { pulledOver.foreign.insert(key) }
            guard let row = before.rows[key], row.origin == .local else { continue }
            if isStored { pulledOver.sequences.insert(row.sequence) }
            if !isStored, world.sabotage == .fillsOverPendingChanges {
                base.alterFile { $0.rows[key]?.value = fill.change.value }
            }
        }
        return stored
    }

    func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        guard world.sabotage == .keepsStampsFromTheFuture else { return try await base.restamp(stamps, at: now) }
        let rows = base.file.rows
        return stamps.map { rows[$0.key]?.version }
    }
}

extension StoredEntry {
    fileprivate var accepted: SimulatedRemote.Accepted {
        let fingerprint = value.flatMap { try? ValueFingerprint(of: $0, form: form) }
        return SimulatedRemote.Accepted(version: version, fingerprint: fingerprint ?? .none)
    }
}
