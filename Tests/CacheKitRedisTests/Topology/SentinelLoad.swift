import CacheKit
import CacheKitCore
import CacheKitRedis
import Synchronization

extension RedisStore {
    /// Writes; throws the first error of any.
    func apply(_ writes: RemoteWrite...) async throws(CacheError) {
        for result in try await write(writes) {
            if case .failed(let error) = result { throw error }
        }
    }
}

/// Callers that write, read, run scripts and wait for replicas until they are stopped, and what became of each call.
final class SentinelLoad: Sendable {
    enum Kind: CaseIterable {
        case write
        case read
        case script
    }

    struct Call {
        var kind: Kind
        var began: ContinuousClock.Instant
        var ended: ContinuousClock.Instant
        var code: CacheError.Code?
    }

    private let store: RedisStore
    private let waitingStore: RedisStore
    private let state = Mutex(State())

    private struct State {
        var isStopped = false
        var calls: [Call] = []
        var replicated: [String: [UInt8]] = [:]
    }

    init(_ store: RedisStore, waiting: RedisStore) {
        self.store = store
        waitingStore = waiting
    }

    /// Everything that was called.
    var calls: [Call] { state.withLock { $0.calls } }
    /// Keys and values of which a replica is known to have them.
    var replicated: [String: [UInt8]] { state.withLock { $0.replicated } }

    func stop() { state.withLock { $0.isStopped = true } }

    /// Calls until it is stopped.
    func run(callersPerKind: Int = 6) async {
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<callersPerKind {
                for kind in Kind.allCases { group.addTask { await self.call(kind, caller) } }
            }
            for caller in 0..<2 { group.addTask { await self.writeToReplicas(caller) } }
        }
    }

    private var isStopped: Bool { Task.isCancelled || state.withLock { $0.isStopped } }

    private func call(_ kind: Kind, _ caller: Int) async {
        var number = 0
        while !isStopped {
            number += 1
            let began = ContinuousClock.now
            let key = "load:\(caller):\(number % 50)"
            let failure = await code {
                switch kind {
                case .write: try await self.store.apply(try put(key, Array("\(number)".utf8)))
                case .read: _ = try await self.store.read([try CacheKey(key)])
                case .script:
                    let script = words("EVAL", "return redis.call('INCR', KEYS[1])", "1", "count:\(caller)")
                    _ = try await self.store.command(script, for: "count:\(caller)")
                }
            }
            let call = Call(kind: kind, began: began, ended: .now, code: failure)
            state.withLock { $0.calls.append(call) }
            // What is noted of each call must not fill the memory.
            try? await Task.sleep(for: .milliseconds(3))
        }
    }

    private func writeToReplicas(_ caller: Int) async {
        var number = 0
        while !isStopped {
            number += 1
            let (key, value) = ("replicated:\(caller):\(number)", Array("\(number)".utf8))
            let failure = await code {
                try await self.waitingStore.apply(try put(key, value))
                let count = try await self.waitingStore.command(words("WAIT", "1", "200"))
                if case .integer(1...) = count { self.state.withLock { $0.replicated[key] = value } }
            }
            if failure != nil { try? await Task.sleep(for: .milliseconds(2)) }
        }
    }
}
