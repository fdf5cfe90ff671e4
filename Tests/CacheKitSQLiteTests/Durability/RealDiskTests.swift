import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

/// What the tests with a VFS say, on file systems that really are full or read-only.
@Suite(.serialized) struct RealDiskTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func expectValues(_ count: Int, _ bytes: Int, in store: SQLiteStore) async throws {
        for number in 0..<count {
            #expect(try await store.value("key\(number)") == [UInt8](repeating: UInt8(number), count: bytes))
        }
    }

    @Test(.enabled("needs the right to mount a file system in memory") { MountedDisk.canMount })
    func `a full disk is told, what was acknowledged stays, and the open store goes on when there is space`()
        async throws
    {
        let disk = try MountedDisk(bytes: 3 << 20)
        let path = disk.path + "/cache.db"
        let store = try await fixture.open { $0.path = path }
        let bytes = 200_000
        func put(_ number: Int) throws -> LocalChange {
            try fixture.put("key\(number)", [UInt8](repeating: UInt8(number), count: bytes))
        }
        var acknowledged = 0
        var refusal: CacheError.Code?
        while refusal == nil, acknowledged < 40 {
            refusal = await code { try await store.commit([put(acknowledged)]) }
            if refusal == nil { acknowledged += 1 }
        }
        #expect(refusal == .diskFull)
        #expect(acknowledged > 1)
        // Again and again, without anything getting worse.
        for _ in 0..<5 { #expect(await code { try await store.commit([put(acknowledged)]) } == .diskFull) }
        try await expectValues(acknowledged, bytes, in: store)
        #expect(try await store.value("key\(acknowledged)") == nil)
        try disk.resize(bytes: 32 << 20)
        try await store.commit([put(acknowledged)])
        await store.close()
        let again = try await fixture.open { $0.path = path }
        try await expectValues(acknowledged + 1, bytes, in: again)
        #expect(try await again.verify().isClean)
        await again.close()
    }

    @Test(.enabled("needs the right to mount an ext4 image") { MountedDisk.canMountImage })
    func `a file system that turns read-only under an open store is told, and what was acknowledged stays`()
        async throws
    {
        let disk = try MountedDisk(imageBytes: 16 << 20)
        let path = disk.path + "/cache.db"
        let store = try await fixture.open { $0.path = path }
        for number in 0..<3 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        try disk.turnReadOnly()
        for _ in 0..<3 {
            let refusal = await code { try await store.commit([fixture.put("key0", [9])]) }
            #expect(refusal == .inputOutput || refusal == .readOnlyStore)
        }
        #expect(await code { try await store.settle(Settlement(through: ChangeSequence(2))) } != nil)
        try await expectValues(3, 1, in: store)
        await store.close()
        #expect(await code { _ = try await fixture.open { $0.path = path } } == .readOnlyStore)
        #expect(await code { _ = try await fixture.open { $0.path = disk.path + "/other.db" } } == .readOnlyStore)
        try disk.mountAgain()
        let again = try await fixture.open { $0.path = path }
        try await expectValues(3, 1, in: again)
        #expect(try await again.watermark() == .zero)
        #expect(try await again.verify().isClean)
        try await again.commit([fixture.put("key0", [9])])
        await again.close()
    }
}
