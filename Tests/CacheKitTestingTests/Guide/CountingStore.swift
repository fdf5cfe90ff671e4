import CacheKit
import CacheKitTesting
import Synchronization
import Testing

/// A local tier before another one, that counts what is committed through it.
final class CountingStore<Base: LocalStore>: ForwardingStore {
    let base: Base
    private let changes = Mutex(0)

    init(_ base: Base) { self.base = base }

    var changeCount: Int { changes.withLock { $0 } }

    func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        let sequences = try await base.commit(changes)
        self.changes.withLock { $0 += changes.count }
        return sequences
    }
}

struct CountingStoreTests {
    @Test(arguments: LocalStoreConformance.Check.allCases)
    func `it keeps the promises of a local store`(check: LocalStoreConformance.Check) async throws {
        let conformance = LocalStoreConformance()
        try await conformance.run(check, on: CountingStore(SimulatedLocalStore(clock: conformance.clock)))
    }
}
