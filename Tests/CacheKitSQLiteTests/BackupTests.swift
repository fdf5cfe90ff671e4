import CacheKit
import CacheKitCore
@testable import CacheKitSQLite
import CacheKitTesting
import Foundation
import Synchronization
import Testing

/// What writers and a backup tell each other.
private final class Writing: Sendable {
    let acknowledged = Atomic<Int>(600)
    /// Acknowledged when the backup was asked for.
    let before = Atomic<Int>(0)
    let isDone = Atomic<Bool>(false)
    let steps = Mutex<[Int]>([])
}

/// Tasks that a backup's progress starts or ends.
private final class Tasks: Sendable {
    let backup = Mutex<Task<BackupReport, any Error>?>(nil)
    let second = Mutex<Task<CacheError.Code?, Never>?>(nil)
    let closing = Mutex<Task<Void, Never>?>(nil)
}

@Suite struct BackupTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private var target: String { fixture.folder + "/copy.db" }

    /// Rows enough that copying takes several steps.
    private func filled(_ count: Int = 600) async throws -> SQLiteStore {
        let store = try await fixture.open()
        try await store.commit((1...count).map { try fixture.put("row:\($0)", value($0)) })
        return store
    }

    private func value(_ number: Int) -> [UInt8] { Array("\(number) ".utf8) + [UInt8](repeating: 7, count: 1000) }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: fixture.folder).filter { $0.hasPrefix("copy") }.sorted()
    }

    private func openCopy(_ keyring: Keyring? = nil) async throws -> SQLiteStore {
        try await fixture.open(keyring: keyring) { $0.path = target }
    }

    @Test func `a backup taken while four writers commit holds every change up to its last, and none after`()
        async throws
    {
        let store = try await filled()
        let writing = Writing()
        let report = try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask { [fixture] in
                    var number = 0
                    while !writing.isDone.load(ordering: .relaxed) {
                        number += 1
                        try await store.commit([fixture.put("writer\(writer):\(number)", value(number))])
                        writing.acknowledged.add(1, ordering: .relaxed)
                    }
                }
            }
            defer { writing.isDone.store(true, ordering: .relaxed) }
            writing.before.store(writing.acknowledged.load(ordering: .relaxed), ordering: .relaxed)
            let report = try await store.backup(to: target) { done, _ in
                let count = writing.steps.withLock { steps in
                    steps.append(done)
                    return steps.count
                }
                // A copy that begins again and again would not end while they write.
                guard count < 100 else { return writing.isDone.store(true, ordering: .relaxed) }
                // Between any two steps others commit: the copy's thread waits here until they have.
                let now = writing.acknowledged.load(ordering: .relaxed)
                let deadline = ContinuousClock.now + .seconds(10)
                while writing.acknowledged.load(ordering: .relaxed) < now + 4, ContinuousClock.now < deadline {
                    usleep(200)
                }
            }
            writing.isDone.store(true, ordering: .relaxed)
            try await group.waitForAll()
            return report
        }
        let taken = writing.steps.withLock { $0 }
        #expect(taken.count >= 3)
        #expect(taken == taken.sorted(), "it never began again")
        let before = UInt64(writing.before.load(ordering: .relaxed))
        let last = report.lastSequence.number
        #expect(last >= before)
        #expect(try await store.lastSequence().number > last, "writers went on while it was copied")
        let copy = try await openCopy()
        #expect(try await copy.lastSequence().number == last)
        var sequences: [UInt64] = []
        while true {
            let page = try await copy.changes(
                after: ChangeSequence(sequences.last ?? 0), origin: nil, limit: 1000, byteLimit: 1 << 30)
            if page.isEmpty { break }
            sequences += page.map(\.entry.sequence.number)
            for change in page {
                let number = try #require(change.key.string.split(separator: ":").last.flatMap { Int($0) })
                #expect(change.entry.value == value(number))
            }
        }
        #expect(sequences == Array(1...last), "no change up to its last is missing")
        #expect(report.rows == Int(last))
        #expect(try await copy.verify().isClean)
        await copy.close()
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `a backup is one file of its owner's, encrypted, and opens with the same keys only`() async throws {
        let store = try await fixture.open()
        for number in 0..<50 {
            try await store.commit([fixture.put("MARKER-NS:MARKER-KEY\(number)", Array("MARKER-VALUE".utf8))])
        }
        try await store.settle(Settlement(through: ChangeSequence(20)))
        let report = try await store.backup(to: target)
        #expect(try names() == ["copy.db"])
        let mode = try FileManager.default.attributesOfItem(atPath: target)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        let bytes = try Data(contentsOf: URL(filePath: target))
        #expect(bytes.range(of: Data("MARKER".utf8)) == nil)
        #expect(report.fileBytes == bytes.count)
        #expect(report.watermark == ChangeSequence(20))
        #expect(await code { _ = try await openCopy(Keyring(current: MasterKey.generate())) } == .wrongMasterKey)
        let copy = try await openCopy()
        #expect(try await copy.value("MARKER-NS:MARKER-KEY7") == Array("MARKER-VALUE".utf8))
        #expect(try await copy.watermark() == ChangeSequence(20))
        await copy.close()
        await store.close()
    }

    @Test(arguments: ["", "-wal", "-journal"])
    func `a backup replaces nothing that is there`(suffix: String) async throws {
        let store = try await filled(10)
        let notes = Data("somebody's notes".utf8)
        try notes.write(to: URL(filePath: target + suffix))
        #expect(await code { _ = try await store.backup(to: target) } == .invalidArgument)
        #expect(try Data(contentsOf: URL(filePath: target + suffix)) == notes)
        #expect(try names() == ["copy.db" + suffix])
        await store.close()
    }

    @Test func `a target that appears while the copy is made stays as it is`() async throws {
        let store = try await filled()
        let notes = Data("somebody's notes".utf8)
        let refusal = await code {
            _ = try await store.backup(to: target) { [target] _, _ in try? notes.write(to: URL(filePath: target)) }
        }
        #expect(refusal == .invalidArgument)
        #expect(try Data(contentsOf: URL(filePath: target)) == notes)
        #expect(try names() == ["copy.db"])
        // Also one that leads nowhere: it would be followed by whoever opens the backup.
        try FileManager.default.removeItem(atPath: target)
        try FileManager.default.createSymbolicLink(atPath: target, withDestinationPath: "/nonexistent")
        #expect(await code { _ = try await store.backup(to: target) } == .invalidArgument)
        await store.close()
    }

    @Test func `a backup into a folder that is missing or takes no files says so`() async throws {
        let store = try await filled(10)
        let folder = fixture.folder + "/missing"
        #expect(await code { _ = try await store.backup(to: folder + "/copy.db") } == .inputOutput)
        #expect(await code { _ = try await store.backup(to: "/proc/copy.db") } != nil)
        #expect(await code { _ = try await store.backup(to: fixture.folder) } == .invalidArgument)
        #expect(await code { _ = try await store.backup(to: "") } == .invalidArgument)
        #expect(try names().isEmpty)
        await store.close()
    }

    @Test func `a cancelled backup leaves nothing behind, and the next one works`() async throws {
        let store = try await filled()
        let tasks = Tasks()
        let task = Task { [target] in
            try await store.backup(to: target) { _, _ in
                // The first step may be done before the task is known here.
                while tasks.backup.withLock({ $0 == nil }) { usleep(200) }
                tasks.backup.withLock { $0?.cancel() }
            }
        }
        tasks.backup.withLock { $0 = task }
        #expect(await code { _ = try await task.value } == .cancelled)
        #expect(try names().isEmpty)
        #expect(try await store.backup(to: target).rows == 600)
        #expect(await code { _ = try await store.backup(to: target) } == .invalidArgument)
        await store.close()
        #expect(await code { _ = try await store.backup(to: target + "2") } == .shutdown)
    }

    @Test func `there is one backup at a time, and closing the store ends it`() async throws {
        let store = try await filled()
        let tasks = Tasks()
        let failure = await code {
            _ = try await store.backup(to: target) { [target] _, _ in
                tasks.second.withLock { task in
                    task = task ?? Task { await code { _ = try await store.backup(to: target + "2") } }
                }
                // Steps are held up until the store was told to close.
                tasks.closing.withLock { task in task = task ?? Task { await store.close() } }
                let end = ContinuousClock.now + .seconds(60)
                while ContinuousClock.now < end {
                    do throws(CacheError) { _ = try store.backups.begin() } catch {
                        if error.code == .shutdown { break }
                    }
                    usleep(200)
                }
            }
        }
        #expect(failure == .shutdown)
        let refusal = await tasks.second.withLock { $0 }?.value
        #expect(refusal == .storeBusy || refusal == .shutdown)
        await tasks.closing.withLock { $0 }?.value
        #expect(try names().isEmpty)
        let log = fixture.path + "-wal"
        #expect(
            !FileManager.default.fileExists(atPath: log), "the snapshot was given back, so the log could be emptied")
    }

    @Test func `a file with an altered row gives no backup`() async throws {
        let store = try await filled(20)
        try runSQL(fixture.path, "UPDATE entries SET expires_at = expires_at + 1 WHERE change_seq = 7")
        #expect(await code { _ = try await store.backup(to: target) } == .tamperedStore)
        #expect(try names().isEmpty)
        await store.close()
    }
}
