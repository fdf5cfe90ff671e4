import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

@Suite struct LoadLockTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `two stores on one file exclude each other, key by key`() async throws {
        let (first, second) = (try await fixture.open(), try await fixture.open())
        let key = try CacheKey("key")
        let lock = try #require(try first.tryLoadLock(of: key))
        #expect(try second.tryLoadLock(of: key) == nil)
        #expect(try first.tryLoadLock(of: key) == nil)
        let others = try (0..<200).map { try second.tryLoadLock(of: CacheKey("other \($0)")) }
        #expect(others.allSatisfy { $0 != nil })
        lock.release()
        let next = try #require(try second.tryLoadLock(of: key))
        #expect(try first.tryLoadLock(of: key) == nil)
        // Closing a store gives back what it holds, and nothing of another's.
        await first.close()
        #expect(try await fixture.open().tryLoadLock(of: key) == nil)
        await second.close()
        #expect(try await fixture.open().tryLoadLock(of: key) != nil)
        next.release()
    }

    @Test func `who takes the lock reads what its last holder committed`() async throws {
        let (first, second) = (try await fixture.open(), try await fixture.open())
        let key = try CacheKey("key")
        for number in 0..<50 as Range<UInt8> {
            // A snapshot is kept from here on.
            _ = try await second.value("key")
            let lock = try #require(try first.tryLoadLock(of: key))
            try await first.commit([fixture.put("key", [number])])
            lock.release()
            let next = try #require(try second.tryLoadLock(of: key))
            #expect(try await second.value("key") == [number])
            next.release()
        }
    }

    @Test func `the locks lie in one empty file, made with the first, that only its owner can open`() async throws {
        let store = try await fixture.open(hasRemote: false)
        let path = fixture.path + "-load"
        #expect(!FileManager.default.fileExists(atPath: path))
        let locks = try (0..<50).map { try store.tryLoadLock(of: CacheKey("secret name \($0)")) }
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect((attributes[.size] as? NSNumber)?.intValue == 0)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.folder)
        #expect(names.filter { $0.contains("load") } == ["cache.db-load"])
        withExtendedLifetime(locks) {}
    }

    @Test func `where the file of locks can't be opened, the error says why`() async throws {
        let store = try await fixture.open()
        try FileManager.default.createSymbolicLink(
            atPath: fixture.path + "-load", withDestinationPath: fixture.folder + "/elsewhere")
        #expect(await code { _ = try store.tryLoadLock(of: CacheKey("key")) } == .inputOutput)
        #expect(!FileManager.default.fileExists(atPath: fixture.folder + "/elsewhere"))
        try FileManager.default.removeItem(atPath: fixture.path + "-load")
        #expect(try store.tryLoadLock(of: CacheKey("key")) != nil)
    }

    @Test func `keys whose hashes are the same share a lock`() async throws {
        let store = try await fixture.open { $0.hashBits = 1 }
        let locks = try (0..<50).compactMap { try store.tryLoadLock(of: CacheKey("key \($0)")) }
        #expect(locks.count == 2)
        for lock in locks { lock.release() }
        #expect(try (0..<50).compactMap { try store.tryLoadLock(of: CacheKey("key \($0)")) }.count == 2)
    }
}
