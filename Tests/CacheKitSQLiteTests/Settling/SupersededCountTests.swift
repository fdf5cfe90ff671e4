import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSQLite

/// Changes that were overwritten before they had an outcome.
struct SupersededCountTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test func `the count outlives the store, and every process adds to it`() async throws {
        for round in 0..<3 {
            let store = try await fixture.open()
            let other = try await fixture.open()
            try await store.commit([fixture.put("k", [1])])
            try await other.commit([fixture.put("k", [2]), fixture.put("k", [3])])
            // The first one of all has overwritten nothing.
            #expect(try await store.supersededCount() == 3 * round + 2)
            #expect(try await other.statistics().superseded == 3 * round + 2)
            await store.close()
            await other.close()
        }
    }

    @Test func `where there never was a remote nothing waits, and nothing is counted`() async throws {
        let local = try await fixture.open(hasRemote: false)
        try await local.commit([fixture.put("k", [1]), fixture.put("k", [2])])
        #expect(try await local.supersededCount() == 0)
        await local.close()
        let store = try await fixture.open()
        try await store.commit([fixture.put("k", [3])])
        #expect(try await store.supersededCount() == 1)
        await store.close()
    }

    @Test func `what a transaction that failed has overwritten does not count`() async throws {
        let store = try await fixture.open { $0.sizeLimit = 4 << 20 }
        try await store.commit([fixture.put("k", [1])])
        let tooMuch =
            try [fixture.put("k", [2])] + (0..<8).map { try fixture.put("n\($0)", .init(repeating: 1, count: 1 << 20)) }
        #expect(await code { try await store.commit(tooMuch) } != nil)
        #expect(try await store.supersededCount() == 0)
        await store.close()
    }
}
