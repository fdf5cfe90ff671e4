import CacheKit
import CacheKitCore
import CacheKitTesting

/// The remote of a simulation: the model's cells, what may happen to them, and a memory of what ever took effect.
///
/// Unchecked: see ``VirtualTime``.
final class SimulatedRemote: @unchecked Sendable {
    /// Who wrote a key last.
    enum Writer: Equatable {
        case version(Version)
        case foreign(at: Timestamp)
    }

    /// A version, and the value that it stood for.
    struct Accepted: Hashable {
        var version: Version
        var fingerprint: ValueFingerprint
    }

    static let bucketCount = 8

    private let clock: MachineClock
    private(set) var cells = VersionedCells()
    /// Earlier states, newest last: what a restart from a dump or a failover may come back to.
    private var history: [(at: Int64, cells: VersionedCells, writers: [CacheKey: Writer])] = []
    private(set) var writers: [CacheKey: Writer] = [:]
    /// Versions that took effect, or were there already.
    private(set) var accepted: [CacheKey: Set<Accepted>] = [:]
    /// Versions that were weighed with an outcome.
    private(set) var weighed: [CacheKey: Set<Version>] = [:]
    /// Versions that were sent when their life was over.
    private(set) var expired: [CacheKey: Set<Version>] = [:]
    /// Versions that met a foreign value.
    private(set) var metForeign: [CacheKey: Set<Version>] = [:]
    /// What each version of a key was seen to be.
    private var identities: [CacheKey: [Version: ValueFingerprint]] = [:]
    var isDown = false
    /// How many servers the buckets are spread over, and which of them are away by themselves.
    var shardCount = 1
    var awayShards: Set<Int> = []
    /// Counts losses of data: what was under way before one does not arrive after it.
    private(set) var epoch = 0
    /// When something was lost last.
    private(set) var lostAt = Timestamp(milliseconds: 0)

    /// Who is told of what changes.
    private var listeners: [SimulatedLink] = []

    func add(_ listener: SimulatedLink) { listeners.append(listener) }
    func remove(_ listener: SimulatedLink) { listeners.removeAll { $0 === listener } }
    private func tell(_ change: RemoteInvalidation) { for listener in listeners { listener.hear(change) } }

    init(clock: MachineClock) {
        self.clock = clock
    }

    static func bucket(of key: CacheKey) -> Int {
        key.string.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFF } % bucketCount
    }

    func shard(of bucket: Int) -> Int { bucket % shardCount }

    // MARK: Versioned writers

    func push(_ push: BucketPush, in world: World) -> BucketAnswer {
        remember()
        var push = push
        if world.sabotage == .forgetsLateness {
            for index in push.writes.indices { push.writes[index].isLate = false }
        }
        let now = clock.now()
        let before = push.writes.map { cells.live($0.key, at: now) }
        let isLost =
            push.recordsMayBeLost || push.expectedMark > cells.buckets[push.bucket]?.marks[push.node] ?? 0
        let answer = cells.push(push, at: now)
        guard case .weighed(_, let verdicts) = answer else { return answer }
        for (index, verdict) in verdicts.enumerated() {
            let write = push.writes[index]
            world.note(
                "\(push.node % 997) sends \(write.key.string) of \(write.version.time.milliseconds - MachineClock.start) ms, expecting \(push.expectedMark)\(isLost ? " (lost)" : ""): \(write.action.name)\(write.isLate ? ", late" : "") \(verdict.name)"
            )
            weighed[write.key, default: []].insert(write.version)
            if case .expire = write.action { expired[write.key, default: []].insert(write.version) }
            let identity = identities[write.key]?[write.version]
            if let identity, identity != write.fingerprint, !world.hasCopies {
                world.violate("two changes have one version")
            }
            identities[write.key, default: [:]][write.version] = write.fingerprint
            switch verdict {
            case .applied:
                check(write, over: before[index], isLost: isLost, world)
                if case .put(let value, _) = write.action, let payload = world.payload(of: value, for: write.key) {
                    world.versions[payload, default: []].insert(write.version)
                }
                tell(.keys([write.key]))
                accepted[write.key, default: []].insert(write.accepted)
                writers[write.key] = .version(write.version)
            case .foreign:
                metForeign[write.key, default: []].insert(write.version)
            case .already:
                accepted[write.key, default: []].insert(write.accepted)
            case .stale(let record) where record.fingerprint == write.fingerprint:
                accepted[write.key, default: []].insert(write.accepted)
            default: break
            }
            if world.sabotage == .forgetsTombstones, case .delete = write.action {
                cells.buckets[push.bucket]?.records[write.key] = nil
            }
            if world.sabotage == .writesWithoutRecords, case .put = write.action {
                cells.buckets[push.bucket]?.records[write.key] = nil
            }
        }
        return answer
    }

    /// A late change must not replace what somebody without versions wrote after it (promise 4), and no version may lie
    /// ahead of time.
    private func check(_ write: VersionedWrite, over cell: VersionedCells.Cell?, isLost: Bool, _ world: World) {
        let now = clock.now()
        if write.version.time > now.advanced(by: .seconds(10)) {
            world.violate("a version from the future took effect")
        }
        guard case .foreign(let at) = writers[write.key], let cell, !isLost, lostAt < at, world.foreignWins else {
            return
        }
        // Whoever had read it replaced what it knew, however wrong its clock is.
        if let value = cell.value, write.base.contains(where: { $0.isOf(value) }) { return }
        let isLate =
            write.version.time < now.advanced(by: .seconds(-15)) && write.version.time < at.advanced(by: .seconds(-5))
        if isLate { world.violate("a late change replaced what somebody without versions wrote after it") }
    }

    func read<Answer>(_ body: (VersionedCells, Timestamp) -> Answer) -> Answer { body(cells, clock.now()) }

    // MARK: Others, and what may happen

    func foreignSet(_ key: CacheKey, _ value: [UInt8], life: Duration?) {
        remember()
        cells.cells[key] = .init(value: value, expiresAt: life.map { clock.now().advanced(by: $0) })
        writers[key] = .foreign(at: clock.now())
        tell(.keys([key]))
    }

    func foreignDelete(_ key: CacheKey) {
        remember()
        cells.cells[key] = nil
        writers[key] = .foreign(at: clock.now())
        tell(.keys([key]))
    }

    /// Everything is lost.
    func flush() {
        lose { $0 = VersionedCells() }
        tell(.everything)
    }

    /// The records and marks of a bucket are lost, its values are not.
    func loseBucket(_ bucket: Int) { lose { $0.buckets[bucket] = nil } }

    /// A value goes, its record stays.
    func evict(_ key: CacheKey) {
        cells.cells[key] = nil
        if writers[key] != nil { writers[key] = .foreign(at: clock.now()) }
        tell(.keys([key]))
    }

    /// Back to what it was so long ago: a failover that loses its tail, a restart from a dump.
    func comeBack(to age: Int64) {
        let wanted = clock.now().milliseconds - age
        let earlier = history.last { $0.at <= wanted } ?? (0, VersionedCells(), [:])
        writers = earlier.writers
        lose { $0 = earlier.cells }
    }

    private func lose(_ body: (inout VersionedCells) -> Void) {
        body(&cells)
        epoch += 1
        lostAt = clock.now()
    }

    /// Keeps a state every few seconds at most, so that going back finds one.
    private func remember() {
        let now = clock.now().milliseconds
        if let last = history.last, now - last.at < 500 { return }
        history.append((now, cells, writers))
        if history.count > 400 { history.removeFirst(200) }
    }
}

extension VersionedWrite {
    fileprivate var accepted: SimulatedRemote.Accepted {
        SimulatedRemote.Accepted(version: version, fingerprint: fingerprint)
    }
}

extension VersionedWrite.Action {
    fileprivate var name: String {
        switch self {
        case .put: "put"
        case .delete: "delete"
        case .expire: "expire"
        }
    }
}

extension Verdict {
    fileprivate var name: String {
        switch self {
        case .applied: "applied"
        case .already: "already"
        case .clash: "clash"
        case .stale: "stale"
        case .foreign: "foreign"
        case .absent: "absent"
        case .tooOld: "too old"
        case .failed: "failed"
        }
    }
}
