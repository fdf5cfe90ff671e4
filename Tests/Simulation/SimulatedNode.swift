import CacheKit
import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Logging

/// A machine with a file, a clock of its own, and a real cache.
///
/// Unchecked: see ``VirtualTime``.
final class SimulatedNode: LocalStoreProvider, RemoteStoreProvider, @unchecked Sendable {
    let name: String
    let clock: MachineClock
    /// None, as of a file and as of a link.
    let problems: [ConfigurationProblem] = []
    private let world: World
    private let isRelaxed: Bool
    private let configuration: SyncConfiguration
    private(set) var file: SimulatedFile
    private(set) var store: WatchedStore?
    private(set) var link: SimulatedLink
    private var cache: Cache?
    private var task: Task<Void, Never>?
    private(set) var isRunning = false
    /// Counts starts, so that what was begun in an earlier one is told from what goes on now.
    private var life = 0
    /// The last change of each key that was acknowledged to a user.
    private(set) var acknowledged: [CacheKey: ChangeSequence] = [:]
    /// Changes that had their outcome before something read from the remote took their place.
    let pulledOver = PulledOver()
    /// The highest version of each key that a user was shown.
    private var shown: [CacheKey: Version] = [:]
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
    }

    var identity: UInt64 { store?.base.file.node ?? file.node }
    var isIdle: Bool {
        store.map { store in !store.base.file.rows.values.contains { store.base.file.isPending($0) } } ?? true
    }

    private func holds(_ key: CacheKey, _ sequence: ChangeSequence) -> Bool {
        file.rows[key].map { $0.sequence >= sequence } ?? false
    }

    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? {
        let base = SimulatedLocalStore(
            clock: context.clock, file: file, isRelaxed: isRelaxed, seed: UInt64(world.number(below: 1 << 62)))
        let store = WatchedStore(base, world, pulledOver, name: name)
        self.store = store
        accountAtStart = base.file.account
        return store
    }

    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { link }

    func start() {
        guard !isRunning else { return }
        isRunning = true
        life += 1
        let life = life
        let faults = (link.faultPercent, link.isCut)
        link = SimulatedLink(world)
        (link.faultPercent, link.isCut) = faults
        var settings = CacheConfiguration()
        settings.clock = clock
        settings.defaultMode = .interop
        // What is kept beyond its life must be shown by no read, and sent to nobody.
        settings.loading.staleIfError = .seconds(600)
        settings.coherenceInterval = .seconds(5)
        settings.maintenanceInterval = .seconds(60)
        settings.memory.shards = 1
        settings.sharedWorkExecutor = world.time
        settings.jitter = configuration.jitter
        settings.logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        task = world.time.start { [self, settings] in
            do {
                let cache = try await Cache(
                    local: self, remote: self, sync: .writeBehind(configuration),
                    encryption: .secure(key: .keyring(World.keyring.get())), configuration: settings)
                guard self.life == life, isRunning else { return }
                self.cache = cache
                await cache.run()
            } catch {
                if self.life == life, isRunning { world.violate("\(name) could not be started: \(error)") }
            }
        }
    }

    /// Dies as by `kill -9`, or with the power.
    func crash(losesPower: Bool) {
        guard isRunning else { return }
        world.note("\(name) dies")
        if let store { file = losesPower ? store.base.fileAfterPowerCut : store.base.file }
        if world.sabotage == .acknowledgesBeforeCommitting, let olderFile { file = olderFile }
        if losesPower, isRelaxed {
            // What was not synced may be lost; the numbers are not used again.
            acknowledged = acknowledged.filter { holds($0.key, $0.value) }
            for (key, row) in file.rows where row.origin == .local { acknowledged[key] = row.sequence }
            shown = [:]
        }
        link.isDead = true
        task?.cancel()
        if let store { world.time.start { await store.close() } }
        store = nil
        cache = nil
        isRunning = false
    }

    /// What the engine said of itself at the end, and what it was made with.
    private(set) var status: SyncStatus?
    private(set) var accountAtStart = SimulatedFile(node: 0).account

    func askStatus() {
        guard let cache else { return }
        world.time.start { [self] in status = try? await cache.syncStatus() }
    }

    /// Ends in good order; what is pending stays.
    func stop() {
        task?.cancel()
        if let store { file = store.base.file }
    }

    /// Sets a key, or deletes it.
    func commit(_ key: CacheKey, _ payload: [UInt8]?, life: Duration) {
        guard let store, let cache else { return }
        if world.chance(50) { olderFile = store.base.file }
        world.time.start { [self] in
            do {
                if let payload {
                    try await cache.bytes.set(payload, for: key, ttl: life)
                } else {
                    try await cache.bytes.delete(key)
                }
            } catch { return }
            // Who died in between acknowledged nothing.
            guard self.store === store, let sequence = store.committed[key] else { return }
            acknowledged[key] = max(acknowledged[key] ?? .zero, sequence)
        }
    }

    /// Reads a key; what a user was shown is never followed by something older.
    func read(_ key: CacheKey) {
        guard cache != nil else { return }
        world.time.start { [self] in _ = await value(of: key) }
    }

    /// What a user is shown; the outer `nil` where nothing could be.
    func value(of key: CacheKey) async -> [UInt8]?? {
        guard let cache else { return nil }
        // What somebody without versions wrote has no place in their order, also where it came and went unread.
        if pulledOver.foreign.remove(key) != nil { shown[key] = nil }
        let (life, floor) = (life, shown[key])
        let payload: [UInt8]?
        do {
            payload = try await cache.bytes.get(key)
        } catch {
            if isRunning, self.life == life { world.violate("\(name), \(key.string): a read failed: \(error)") }
            return nil
        }
        guard isRunning, self.life == life else { return nil }
        guard let payload else { return .some(nil) }
        world.note("\(name) reads \(key.string): \(World.number(of: payload))")
        guard let version = world.versions[payload]?.max() else { return payload }
        if let floor, version < floor, !pulledOver.foreign.contains(key) {
            world.violate("\(name), \(key.string): \(World.number(of: payload)) was read after something newer")
        }
        shown[key] = max(shown[key] ?? .unknown, version)
        return payload
    }

    /// Takes over another machine's file as it is now, while that one goes on with it.
    func copy(_ other: SimulatedNode, writing key: CacheKey) {
        guard let theirs = other.store?.base.file else { return }
        crash(losesPower: false)
        shown = [:]
        pulledOver.sequences = other.pulledOver.sequences
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
        world.time.after(2) { [world] in
            for node in [self, other] { node.commit(key, world.nextPayload(), life: .seconds(30 * 86_400)) }
        }
    }
}

/// Changes that had their outcome before something read from the remote took their place.
///
/// Unchecked: see ``VirtualTime``.
final class PulledOver: @unchecked Sendable {
    var sequences: Set<ChangeSequence> = []
    /// Keys whose rows held something that was written without a version.
    var foreign: Set<CacheKey> = []
}
