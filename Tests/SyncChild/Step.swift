import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation

/// A step of the first batch at which a node ends itself as `kill -9` does.
enum Step: String, Sendable {
    /// Before the feed is read.
    case read
    /// When it is noted that the batch may be sent.
    case begun
    /// When it is about to be sent; its parent sees to the rest.
    case sending
    /// When it was answered, and nobody here knows yet.
    case answered
    /// Before its outcomes are durable.
    case settling
    /// When they are.
    case settled

    /// Ends the process if this is the step.
    func reached(_ step: Step) {
        guard self == step else { return }
        say("reached \(rawValue)")
        kill(getpid(), SIGKILL)
    }
}

/// A store that ends the process at a step.
final class EndingStore: ForwardingStore {
    let base: SQLiteStore
    private let step: Step

    init(_ base: SQLiteStore, _ step: Step) {
        self.base = base
        self.step = step
    }

    func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        if origin == .local { step.reached(.read) }
        return try await base.changes(after: after, origin: origin, limit: limit, byteLimit: byteLimit)
    }

    func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError) {
        try await base.beginSending(through: sequence, fence: fence)
        if sequence > .zero { step.reached(.begun) }
    }

    func settle(_ settlement: Settlement) async throws(CacheError) -> Int {
        step.reached(.settling)
        defer { step.reached(.settled) }
        return try await base.settle(settlement)
    }
}

/// Opens one.
struct EndingStoreProvider: LocalStoreProvider {
    let configuration: SQLiteConfiguration
    let step: Step

    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? {
        EndingStore(try await SQLiteStore.open(configuration, context), step)
    }
}
