import CacheKitSQLite
import CacheKitTesting
import Testing

@Suite struct ConformanceTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test(arguments: LocalStoreConformance.Check.allCases, [63, 2])
    func `the SQLite store keeps the promises of a local store, also where keys collide`(
        check: LocalStoreConformance.Check, hashBits: Int
    ) async throws {
        let conformance = LocalStoreConformance()
        let store = try await fixture.open(clock: conformance.clock) { $0.hashBits = hashBits }
        try await conformance.run(check, on: store)
    }

    @Test(arguments: LocalStoreConformance.Check.allCases)
    func `it keeps them with reads on threads of their own`(check: LocalStoreConformance.Check) async throws {
        let conformance = LocalStoreConformance()
        let store = try await fixture.open(clock: conformance.clock) { $0.readsOnOwnThreads = true }
        try await conformance.run(check, on: store)
    }
}
