import CacheKit
import Synchronization
import Testing

/// Writers who know what was acknowledged: each key has one writer, and its numbers count up.
final class LoadOfWrites: Sendable {
    private struct State {
        var isStopped = false
        /// What each key holds by the last acknowledged write; `nil` after a delete.
        var last: [String: Int?] = [:]
        var acknowledged = 0
        var refused = 0
    }

    private let state = Mutex(State())

    /// Acknowledged writes and deletes.
    var acknowledged: Int { state.withLock { $0.acknowledged } }
    var refused: Int { state.withLock { $0.refused } }
    /// Keys that were written.
    var keys: [String] { state.withLock { Array($0.last.keys) } }
    /// What there has to be in the end.
    var expected: [String: Int] { state.withLock { $0.last.compactMapValues { $0 } } }

    /// Writes through a node while `body` runs: some keys again and again, with deletes among them, and each time a new one.
    func run(_ node: Cache, writers: Int = 4, hotKeys: Int = 100, while body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers { group.addTask { try await self.write(node, writer, hotKeys) } }
            defer { state.withLock { $0.isStopped = true } }
            try await body()
            state.withLock { $0.isStopped = true }
            try await group.waitForAll()
        }
    }

    private func write(_ node: Cache, _ writer: Int, _ hotKeys: Int) async throws {
        let numbers = node.numbers
        var number = 0
        while !state.withLock({ $0.isStopped }) {
            number += 1
            let hot = "hot-\(writer)-\(number % hotKeys)"
            let isDelete = number.isMultiple(of: 7)
            await note(hot, isDelete ? nil : number) { () async throws(CacheError) in
                if isDelete { try await numbers.delete(hot) } else { try await numbers.set(number, for: hot) }
            }
            let once = "once-\(writer)-\(number)"
            await note(once, number) { () async throws(CacheError) in try await numbers.set(number, for: once) }
        }
    }

    private func note(_ key: String, _ number: Int?, _ write: () async throws(CacheError) -> Void) async {
        do throws(CacheError) {
            try await write()
            state.withLock { state in
                state.last[key] = .some(number)
                state.acknowledged += 1
            }
        } catch {
            state.withLock { $0.refused += 1 }
        }
    }
}
