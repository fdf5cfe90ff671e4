import CacheKit
import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Logging

/// A machine with a file, a clock of its own, and the real engine.
///
/// Unchecked: see ``VirtualTime``.
final class SimulatedNode: @unchecked Sendable {
    let name: String
    let clock: MachineClock
    private let world: World
    private let isRelaxed: Bool
    private let configuration: SyncConfiguration
    private(set) var file: SimulatedFile
    private(set) var store: WatchedStore?
    private(set) var link: SimulatedLink
    private var engine: (any Synchronizer)?
    private var task: Task<Void, Never>?
    private var corrected: CorrectedClock
    /// The last change of each key that was acknowledged to a user.
    private(set) var acknowledged: [CacheKey: ChangeSequence] = [:]
    /// For whoever breaks durability: the file as it was before its last commits.
    private var olderFile: SimulatedFile?

    init(_ name: String, _ world: World, file: SimulatedFile, isRelaxed: Bool, _ configuration: SyncConfiguration) {
        self.name = name
        self.world = world
        self.isRelaxed = isRelaxed
        self.configuration = configuration
        self.file = file
        clock = MachineClock(world.time)
        link = SimulatedLink(world)
        corrected = CorrectedClock(clock)
    }

    var identity: UInt64 { store?.base.file.node ?? file.node }
    var isRunning: Bool { store != nil }
    var isIdle: Bool {
        store.map { store in !store.base.file.rows.values.contains { store.base.file.isPending($0) } } ?? true
    }

    private func holds(_ key: CacheKey, _ sequence: ChangeSequence) -> Bool {
        file.rows[key].map { $0.sequence >= sequence } ?? false
    }

    func start() {
        guard store == nil else { return }
        let faults = (link.faultPercent, link.isCut)
        link = SimulatedLink(world)
        (link.faultPercent, link.isCut) = faults
        corrected = CorrectedClock(clock)
        let store = WatchedStore(
            SimulatedLocalStore(
                clock: corrected, file: file, isRelaxed: isRelaxed, seed: UInt64(world.number(below: 1 << 62))),
            world, name: name)
        self.store = store
        let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        let context = SynchronizerContext(local: store, remote: link, clock: corrected, logger: logger) {
            _, _ throws(CacheError) in RemoteValue(mode: .native, form: .plain, timeToLive: .seconds(3600))
        }
        guard let engine = try? WriteBehind.writeBehind(configuration).makeSynchronizer(context) else {
            return world.violate("the engine could not be made")
        }
        self.engine = engine
        task = world.time.start { await engine.run() }
    }

    /// Dies as by `kill -9`, or with the power.
    func crash(losesPower: Bool) {
        guard let store else { return }
        world.note("\(name) dies")
        file = losesPower ? store.base.fileAfterPowerCut : store.base.file
        if world.sabotage == .acknowledgesBeforeCommitting, let olderFile { file = olderFile }
        if losesPower, isRelaxed {
            // What was not synced may be lost; the numbers are not used again.
            acknowledged = acknowledged.filter { holds($0.key, $0.value) }
            for (key, row) in file.rows where row.origin == .local { acknowledged[key] = row.sequence }
        }
        link.isDead = true
        task?.cancel()
        world.time.start { await store.close() }
        self.store = nil
        engine = nil
    }

    /// Ends in good order; what is pending stays.
    func stop() {
        task?.cancel()
        if let store { file = store.base.file }
    }

    func commit(_ key: CacheKey, _ value: [UInt8]?, life: Duration) {
        guard let store, let engine else { return }
        let change = LocalChange(
            key: key, value: value, form: .plain, mode: .native, expiresAt: corrected.now().advanced(by: life))
        if world.chance(50) { olderFile = store.base.file }
        world.time.start { [self] in
            guard let sequence = try? await store.commit([change]).first else { return }
            // Who died in between acknowledged nothing.
            guard self.store === store else { return }
            acknowledged[key] = max(acknowledged[key] ?? .zero, sequence)
            engine.wake()
        }
    }

    /// Takes over another machine's file as it is now, while that one goes on with it.
    func copy(_ other: SimulatedNode, writing key: CacheKey) {
        guard let theirs = other.store?.base.file else { return }
        crash(losesPower: false)
        world.note("\(name) gets a copy of \(other.name)'s file")
        world.hasCopies = true
        file = theirs
        acknowledged = other.acknowledged.filter { holds($0.key, $0.value) }
        olderFile = nil
        guard world.chance(70) else { return start() }
        // Both clocks are behind what they stamped last, and both nodes write before they notice: one version for two changes.
        clock.skew = .seconds(-86_400)
        other.clock.skew = .seconds(-86_400)
        start()
        for (index, node) in [self, other].enumerated() {
            node.commit(key, [0xCC, UInt8(index)], life: .seconds(30 * 86_400))
        }
    }
}
