import CacheKit
import CacheKitCore
import Synchronization
import Testing

@testable import CacheKitRedis

@Suite(.timeLimit(.minutes(1))) struct GatheredReadsTests {
    /// What reads were asked for, and answers that name their key.
    private final class Calls: Sendable {
        let groups = Mutex<[[String]]>([])

        func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
            groups.withLock { $0.append(keys.map(\.string)) }
            await Task.yield()
            if let broken = keys.first(where: { $0.string.hasPrefix("broken") }) {
                throw CacheError(.remoteRejected, broken.string == "broken" ? "refused" : "refused too")
            }
            if keys.contains(where: { $0.string.hasPrefix("away") }) { throw CacheError(.remoteUnavailable, "away") }
            return keys.map {
                $0.string.hasPrefix("absent") ? nil : RemoteEntry(value: Array($0.string.utf8), remaining: nil)
            }
        }
    }

    private func read(_ key: String, _ gathered: GatheredReads, _ calls: Calls) async throws(CacheError) -> RemoteEntry?
    {
        let key: CacheKey = try CacheKey(key)
        return try await gathered.read(key) { keys throws(CacheError) in try await calls.read(keys) }
    }

    @Test func `reads one after the other go alone`() async throws {
        let (gathered, calls) = (GatheredReads(), Calls())
        for number in 0..<10 {
            #expect(try await read("k\(number)", gathered, calls)?.value == Array("k\(number)".utf8))
        }
        #expect(calls.groups.withLock { $0 } == (0..<10).map { ["k\($0)"] })
    }

    @Test func `reads of many tasks go together within the bound, and each gets its own entry`() async throws {
        let (gathered, calls) = (GatheredReads(), Calls())
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<200 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<20 {
                        let key = round % 5 == 0 ? "absent\(task)" : "k\(task):\(round)"
                        let value = round % 5 == 0 ? nil : Array(key.utf8)
                        if try await self.read(key, gathered, calls)?.value != value { wrong += 1 }
                    }
                    return wrong
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
        let groups = calls.groups.withLock { $0 }
        #expect(groups.reduce(0) { $0 + $1.count } == 4000)
        #expect(groups.allSatisfy { $0.count <= GatheredReads.maximumCount })
        #expect(groups.contains { $0.count > 1 })
    }

    @Test func `what one key is refused for, the others are not`() async throws {
        let (gathered, calls) = (GatheredReads(), Calls())
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<200 {
                group.addTask {
                    let key = task % 20 == 0 ? "broken" : "k\(task)"
                    let code = await code { _ = try await self.read(key, gathered, calls) }
                    #expect(code == (task % 20 == 0 ? .remoteRejected : nil))
                }
            }
        }
        // Or nothing was shared, and nothing tested.
        #expect(calls.groups.withLock { $0 }.contains { $0.count > 1 && $0.contains("broken") })
    }

    @Test func `a server that is away is not asked again by each caller`() async throws {
        let (gathered, calls) = (GatheredReads(), Calls())
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<200 {
                group.addTask {
                    #expect(
                        await code { _ = try await self.read("away\(task)", gathered, calls) } == .remoteUnavailable)
                }
            }
        }
        #expect(calls.groups.withLock { $0 }.reduce(0) { $0 + $1.count } == 200)
    }

    @Test func `cancelling some callers leaves the others their entries`() async throws {
        let (gathered, calls) = (GatheredReads(), Calls())
        for _ in 0..<20 {
            let tasks = (0..<50).map { number in
                Task { () async throws -> Bool in
                    try await gathered.read(try CacheKey("k\(number)")) { keys throws(CacheError) in
                        // As a connection does.
                        guard !Task.isCancelled else { throw .redisCancelled() }
                        return try await calls.read(keys)
                    }?.value == Array("k\(number)".utf8)
                }
            }
            for number in stride(from: 0, to: 50, by: 3) { tasks[number].cancel() }
            for (number, task) in tasks.enumerated() {
                let result = await task.result
                if number % 3 != 0 { #expect(try result.get()) }
            }
        }
    }
}
