import CacheKitTesting
import Testing

@Suite struct LocalStoreConformanceTests {
    @Test(arguments: LocalStoreConformance.Check.allCases)
    func `the simulated store keeps the promises of a local store`(check: LocalStoreConformance.Check) async throws {
        let conformance = LocalStoreConformance()
        try await conformance.run(check, on: SimulatedLocalStore(clock: conformance.clock))
    }
}
