import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKitSQLite

/// What other versions mean for the file: seals that are bound to them, and the clock that it keeps.
@Suite struct RestampingTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    private static let year = Duration.seconds(365 * 86_400)

    @Test(arguments: [63, 2], [SQLiteConfiguration.Durability.full, .relaxed])
    func `a clock that was a year ahead is put right for this process and the next`(
        hashBits: Int, durability: SQLiteConfiguration.Durability
    ) async throws {
        let now = fixture.clock.now()
        let store = try await fixture.open {
            $0.hashBits = hashBits
            $0.durability = durability
        }
        fixture.clock.advance(by: Self.year)
        var stamps: [Restamp] = []
        for number in 0..<20 {
            let change = try number % 5 == 0 ? fixture.delete("k\(number)") : fixture.put("k\(number)", [UInt8(number)])
            stamps.append(Restamp(key: change.key, sequence: try await store.commit([change])[0]))
        }
        fixture.clock.advance(by: .zero - Self.year)
        let versions = try await store.restamp(stamps, at: now)
        #expect(versions.allSatisfy { $0?.time == now })
        #expect(versions.compactMap { $0 } == versions.compactMap { $0 }.sorted())
        // Every seal is bound to the new version.
        #expect(try await store.verify().isClean)
        for number in 0..<20 where number % 5 != 0 {
            #expect(try await store.value("k\(number)") == [UInt8(number)])
        }
        // A process that is killed now leaves no reservation behind that lies a year ahead.
        let path = fixture.folder + "/killed.db"
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: path + suffix)
        }
        for path in [fixture.path, path] {
            let next = try await fixture.open {
                $0.path = path
                $0.hashBits = hashBits
                $0.durability = durability
            }
            try await next.commit([fixture.put("next", [1])])
            let version = try #require(try await next.read([CacheKey("next")])[0]).version
            #expect(version.time <= now.advanced(by: .seconds(10)))
            #expect(versions.compactMap { $0 }.allSatisfy { $0.stamp < version.stamp })
            await next.close()
        }
        await store.close()
    }

    @Test func `a clock that is hardly ahead stays, and so does what it reserved`() async throws {
        let store = try await fixture.open { $0.durability = .relaxed }
        fixture.clock.advance(by: .milliseconds(900))
        let sequence = try await store.commit([fixture.put("k", [1])])[0]
        fixture.clock.advance(by: .milliseconds(-900))
        let clock = try await store.read { reader throws(CacheError) in try reader.clock() }
        let version = try await store.restamp(
            [Restamp(key: CacheKey("k"), sequence: sequence)], at: fixture.clock.now())[0]
        #expect(version?.time == fixture.clock.now())
        let after = try await store.read { reader throws(CacheError) in try reader.clock() }
        #expect((after.lastStamp, after.reservedStamp) == (clock.lastStamp, clock.reservedStamp))
        await store.close()
    }

    @Test func `a row that was altered is not stamped anew`() async throws {
        let store = try await fixture.open()
        let sequences = try await store.commit([fixture.put("a", [1]), fixture.put("b", [2])])
        let before = try await store.read([CacheKey("b")])[0]?.version
        try runSQL(fixture.path, "UPDATE entries SET expires_at = expires_at + 1 WHERE change_seq = 1")
        fixture.clock.advance(by: .seconds(-60))
        let stamps = try [
            Restamp(key: CacheKey("b"), sequence: sequences[1]), Restamp(key: CacheKey("a"), sequence: sequences[0]),
        ]
        #expect(await code { _ = try await store.restamp(stamps, at: fixture.clock.now()) } == .tamperedStore)
        // In one transaction: neither was.
        #expect(try await store.read([CacheKey("b")])[0]?.version == before)
        await store.close()
    }
}
