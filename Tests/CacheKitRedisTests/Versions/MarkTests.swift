import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct MarkTests {
    @Test func `a mark only rises, for each node by itself`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        var stamp: UInt64 = 0
        func push(_ mark: UInt64, node: UInt64 = 7, expected: UInt64 = 0) async throws -> UInt64? {
            stamp += 1
            let write = try VersionedWrite.put(key, sealed(1), at: stamp)
            return try await world.push([write], node: node, expected: expected, mark: mark).mark
        }
        #expect(try await push(5) == nil)
        #expect(try await push(3, expected: 5) == 5)
        #expect(try await push(1 << 40) == 5)
        #expect(try await push(1 << 40 - 1) == 1 << 40)
        #expect(try await push(9, node: 8) == nil)
        // In every byte, and beyond what Lua counts.
        for shift in 40..<64 as Range<UInt64> {
            _ = try await push(1 << shift)
            #expect(try await push(1 << shift | 1, expected: 1 << shift) == 1 << shift)
            #expect(try await world.mark(key) == 1 << shift | 1)
        }
        let other = try CacheKey("another")
        let buckets = [key, other, key].map { world.store.bucket(of: $0) }
        #expect(
            try await world.store.marks(of: 7, in: buckets).map { try $0.get() } == [1 << 63 | 1, nil, 1 << 63 | 1])
        #expect(try await world.store.marks(of: 8, in: buckets).map { try $0.get() } == [9, nil, 9])
        #expect(try await world.store.marks(of: 8, in: []).isEmpty)
    }

    @Test func `a push without writes plants a mark`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        let push = BucketPush(
            bucket: world.store.bucket(of: key), writes: [], node: 7, expectedMark: 0, mark: 4, recordsMayBeLost: true,
            now: Timestamp(milliseconds: VersionedWorld.now))
        #expect(try await world.store.push([push]).map { Pushed($0) } == [Pushed([])])
        #expect(try await world.mark(key) == 4)
    }

    @Test func `a missing or lower mark stays until less is expected, and the writes are applied`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        for (index, mark) in [UInt64?.none, 3].enumerated() {
            if let mark {
                let push = BucketPush(
                    bucket: world.store.bucket(of: key), writes: [], node: 7, expectedMark: 0, mark: mark,
                    recordsMayBeLost: false, now: Timestamp(milliseconds: VersionedWorld.now))
                _ = try await world.store.push([push])
            }
            try await world.command("SET", "k", "of somebody else")
            let write = try VersionedWrite.put(key, sealed(1), at: UInt64(5 + index), isLate: true)
            #expect(try await world.push([write], expected: 4, mark: 9) == Pushed(mark: mark, ["applied"]))
            #expect(try await world.mark(key) == mark)
            #expect(try await world.value(key) == sealed(1))
        }
        #expect(
            try await world.push([try .put(key, sealed(2), at: 9)], expected: 3, mark: 9)
                == Pushed(mark: 3, ["applied"]))
        #expect(try await world.mark(key) == 9)
    }
}
