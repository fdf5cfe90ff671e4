import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

@Suite struct RotationCrashTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// Copies database and log as a crash would leave them, the log cut to its first bytes.
    private func copy(_ number: Int, log: Data) throws -> String {
        let path = fixture.folder + "/copy\(number).db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: path)
        if !log.isEmpty { try log.write(to: URL(filePath: path + "-wal")) }
        return path
    }

    private func openAndClose(_ path: String, _ keyring: Keyring) async -> CacheError.Code? {
        await code {
            let store = try await fixture.open(keyring: keyring) { $0.path = path }
            await store.close()
        }
    }

    @Test func `a crash while a rotation adds a key's wrap leaves a file that opens`() async throws {
        let new = try Keyring(current: MasterKey.generate())
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: new.keys[0], previous: [fixture.masterKey])
        // Held open, so that closing the others does not empty the log.
        let holder = try await fixture.open()
        try await holder.commit([fixture.put("before", [1])])
        let start = try Data(contentsOf: URL(filePath: fixture.path + "-wal")).count
        let rotating = try await fixture.open(keyring: both)
        let log = try Data(contentsOf: URL(filePath: fixture.path + "-wal"))
        try #require(log.count > start, "the wrap is in the log")
        var outcomes: [CacheError.Code?] = []
        // Every half frame of the wrap's transaction: a frame is a page and its header of 24 bytes.
        let cuts = Array(stride(from: start, to: log.count, by: (4096 + 24) / 2)) + [log.count]
        for (number, cut) in cuts.enumerated() {
            let path = try copy(number, log: log.prefix(cut))
            let outcome = await openAndClose(path, new)
            outcomes.append(outcome)
            #expect(outcome == nil || outcome == .wrongMasterKey, "cut at \(cut)")
            #expect(await openAndClose(path, old) == nil, "cut at \(cut)")
            // Begun again, the rotation comes to its end.
            #expect(await openAndClose(path, both) == nil)
            let store = try await fixture.open(keyring: new) { $0.path = path }
            #expect(try await store.value("before") == [1])
            #expect(try await store.verify().isClean)
            await store.close()
        }
        #expect(outcomes.first == .some(.wrongMasterKey))
        #expect(outcomes.last == .some(nil))
        await rotating.close()
        await holder.close()
    }

    @Test func `a crash in the middle of re-sealing loses nothing, and the next run goes on`() async throws {
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: MasterKey.generate(), previous: [fixture.masterKey])
        let new = try Keyring(current: both.current)
        let holder = try await fixture.open(keyring: both)
        for number in 0..<150 { try await holder.commit([fixture.sealedPut("k\(number)", "v\(number)", old)]) }
        try await holder.settle(Settlement(through: ChangeSequence(150)))
        let start = try Data(contentsOf: URL(filePath: fixture.path + "-wal")).count
        let cache = try await fixture.cache(holder, both)
        #expect(try await cache.reseal().resealed == 150)
        let log = try Data(contentsOf: URL(filePath: fixture.path + "-wal"))
        try #require(log.count > start)
        var left: Set<Int> = []
        let step = max((log.count - start) / 12, 1)
        for (number, cut) in (Array(stride(from: start, to: log.count, by: step)) + [log.count]).enumerated() {
            let path = try copy(number, log: log.prefix(cut))
            let store = try await fixture.open(keyring: both) { $0.path = path }
            for number in stride(from: 0, to: 150, by: 7) {
                #expect(try await fixture.opened("k\(number)", in: store, both) == "v\(number)", "cut at \(cut)")
            }
            #expect(try await store.verify().isClean)
            let resumed = try await fixture.cache(store, both)
            let report = try await resumed.reseal()
            left.insert(report.resealed)
            #expect(report.scanned == 150 && report.unopened == 0)
            for number in stride(from: 0, to: 150, by: 7) {
                #expect(try await fixture.opened("k\(number)", in: store, new) == "v\(number)", "cut at \(cut)")
            }
            await resumed.shutdown()
        }
        // None done, all done, and stops in between.
        #expect(left.isSuperset(of: [0, 150]) && left.count > 2)
        await cache.shutdown()
    }
}
