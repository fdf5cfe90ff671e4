import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

@testable import CacheKitSync

/// A remote and nodes on it, each with a clock of its own; time passes for all of them together.
final class Scene: Sendable {
    /// The remote's clock, which is right.
    let time = ManualClock()
    let remote: SimulatedRemoteStore
    private let clocks = Mutex<[ManualClock]>([])
    static let year = Duration.seconds(365 * 86_400)
    static let away = CacheError(.remoteUnavailable, "the server can't be reached")

    init() { remote = SimulatedRemoteStore(clock: time) }

    /// A node, on a file of its own unless one is given, whose clock is wrong by `skew`.
    func node(
        _ id: UInt64, skew: Duration = .zero, file: SimulatedFile? = nil, through wrapper: (any RemoteStore)? = nil,
        _ adjust: (inout SyncConfiguration) -> Void = { _ in }
    ) -> Node {
        let clock = ManualClock(now: time.now().advanced(by: skew))
        clocks.withLock { $0.append(clock) }
        return Node(clock, file ?? SimulatedFile(node: id), seed: id, wrapper ?? remote, adjust)
    }

    func pass(_ duration: Duration) {
        for clock in clocks.withLock({ $0 }) + [time] { clock.advance(by: duration) }
    }

    /// What a reader of the remote gets.
    func value(_ key: String) throws -> [UInt8]? { remote.held.entry(try CacheKey(key), at: time.now())?.value }

    func record(_ key: String) throws -> RemoteRecord? {
        let key = try CacheKey(key)
        return remote.held.buckets[remote.bucket(of: key)]?.records[key]
    }

    /// Writes as an SDK without versions does; `nil` deletes.
    func writeForeign(_ key: String, _ value: [UInt8]?) throws {
        let key = try CacheKey(key)
        if let value {
            remote.put(value, for: key, expiresAt: time.now().advanced(by: .seconds(3_600)))
        } else {
            remote.held.cells[key] = nil
        }
    }
}

/// One node: its machine's clock, its file, its engine.
final class Node: Sendable {
    let clock: ManualClock
    let corrected: CorrectedClock
    let local: SimulatedLocalStore
    let engine: SyncEngine
    let log = LogBook()

    init(
        _ clock: ManualClock, _ file: SimulatedFile, seed: UInt64, _ remote: any RemoteStore,
        _ adjust: (inout SyncConfiguration) -> Void
    ) {
        self.clock = clock
        corrected = CorrectedClock(clock)
        local = SimulatedLocalStore(clock: corrected, file: file, seed: seed)
        var configuration = SyncConfiguration()
        configuration.jitter = { 0.5 }
        adjust(&configuration)
        engine = SyncEngine(
            SynchronizerContext(local: local, remote: remote, clock: corrected, logger: log.logger) {
                _, value throws(CacheError) in
                guard value.first != 255 else { throw CacheError(.authenticationFailed, "sealed by somebody else") }
                return RemoteValue(mode: .native, form: .plain, timeToLive: .seconds(60))
            }, configuration)
    }

    func put(
        _ key: String, _ value: [UInt8], life: Duration = .seconds(600), form: ValueForm = .plain
    ) async throws {
        try await local.commit([
            LocalChange(
                key: try CacheKey(key), value: value, form: form, mode: .native,
                expiresAt: corrected.now().advanced(by: life))
        ])
    }

    func delete(_ key: String) async throws {
        try await local.commit([
            LocalChange(
                key: try CacheKey(key), value: nil, form: .plain, mode: .native,
                expiresAt: corrected.now().advanced(by: .seconds(7 * 86_400)))
        ])
    }

    /// Pushes until nothing is left or something fails; time stands still.
    @discardableResult
    func push() async -> SyncStatus { await engine.drain(deadline: .seconds(3_600), retrying: false) }

    /// What is served here for a key.
    func value(_ key: String) throws -> [UInt8]? {
        guard let row = local.file.rows[try CacheKey(key)], row.expiresAt > corrected.now() else { return nil }
        return row.value
    }

    var outcomes: SyncOutcomes { engine.state.withLock { $0.machine.outcomes } }
}
