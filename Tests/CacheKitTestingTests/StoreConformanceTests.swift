import CacheKit
import CacheKitTesting
import Testing

/// The stand-ins keep the promises that the real stores keep, and so do stores that forward.
struct StoreConformanceTests {
    @Test(arguments: LocalStoreConformance.Check.allCases)
    func `the simulated store keeps the promises of a local store`(check: LocalStoreConformance.Check) async throws {
        let conformance = LocalStoreConformance()
        try await conformance.run(check, on: SimulatedLocalStore(clock: conformance.clock))
    }

    @Test(arguments: LocalStoreConformance.Check.allCases)
    func `a failing local store keeps them while it is not told to fail`(
        check: LocalStoreConformance.Check
    ) async throws {
        let conformance = LocalStoreConformance()
        let store = SimulatedLocalStore(clock: conformance.clock)
        try await conformance.run(check, on: FailingLocalStore(store, clock: conformance.clock))
    }

    @Test(arguments: RemoteStoreConformance.Check.allCases)
    func `the simulated store keeps the promises of a remote store`(check: RemoteStoreConformance.Check) async throws {
        let clock = ManualClock()
        let conformance = RemoteStoreConformance { clock.advance(by: $0) }
        try await conformance.run(check, on: SimulatedRemoteStore(clock: clock))
    }

    @Test(arguments: RemoteStoreConformance.Check.allCases)
    func `a failing remote store keeps them while it is not told to fail`(
        check: RemoteStoreConformance.Check
    ) async throws {
        let clock = ManualClock()
        let conformance = RemoteStoreConformance { clock.advance(by: $0) }
        let store = FailingRemoteStore(SimulatedRemoteStore(clock: clock), clock: clock)
        try await conformance.run(check, on: store)
    }

    @Test func `a remote that breaks a promise is told which`() async throws {
        let clock = ManualClock()
        let conformance = RemoteStoreConformance { clock.advance(by: $0) }
        var broken: [String] = []
        for check in RemoteStoreConformance.Check.allCases {
            do {
                try await conformance.run(check, on: Forgetful(base: SimulatedRemoteStore(clock: clock)))
            } catch let error as CacheError where error.code == .internalFault {
                #expect(error.message.hasPrefix("the store breaks a promise: "))
                broken.append(check.rawValue)
            }
        }
        #expect(broken.contains("leavesTombstones") && broken.contains("newerVersionsWin"))
        #expect(!broken.contains("readsOwnWrites"))
    }

    /// Keeps values and no records.
    private struct Forgetful: ForwardingRemoteStore {
        let base: SimulatedRemoteStore

        func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
            defer { for bucket in base.held.buckets.keys { base.held.buckets[bucket]?.records = [:] } }
            return try await base.push(pushes)
        }
    }
}
