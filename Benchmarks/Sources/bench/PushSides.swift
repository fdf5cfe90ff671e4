import CacheKit
import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Floors
import Foundation
import Synchronization

/// A node with 100,000 changes of 1 KiB to push, and hiredis that sends plain `SET ... PX` of values as long in pipelines of
/// 500 to the same server.
///
/// What is pushed lies in the file, what the floor sends in memory; both before the clock starts.
final class PushSides {
    enum Kind: Sendable {
        /// Keys that the server does not have.
        case new
        /// Keys that the server has.
        case updates
    }

    static let keyCount = 100_000
    static let pipeline = 500

    let server: RedisServer
    private let kind: Kind
    private let configuration: SyncConfiguration
    private let keys: [CacheKey]
    private let redis: OpaquePointer
    private let floorKeys: [[UInt8]]
    private let floorValues: [[UInt8]]
    private var node: PushNode?
    private var number = 0
    private var hasSentPlain = false

    init(_ kind: Kind, _ configuration: SyncConfiguration = .init(), keyCount: Int = PushSides.keyCount) async throws {
        self.kind = kind
        self.configuration = configuration
        server = try await startRedis()
        guard let redis = floor_redis_connect(server.socketPath) else {
            throw FloorFailure(call: "floor_redis_connect")
        }
        self.redis = redis
        keys = Samples.order(keyCount).map { Samples.cacheKey($0) }
        floorKeys = keys.map { Array("other\($0.string.dropFirst(5))".utf8) }
        let count = try await Self.sealedCount(server, keys[0])
        floorValues = (0..<1_000).map { Samples.randomBytes(count, seed: UInt64($0)) }
    }

    /// How long what a node pushes for 1 KiB is.
    private static func sealedCount(_ server: RedisServer, _ key: CacheKey) async throws -> Int {
        let node = try await PushNode(server, .init())
        try await node.commit([key], stampedFrom: 0)
        try await node.push()
        await node.finish()
        let answer = server.ask("STRLEN \(key.string)", "FLUSHALL")
        guard let count = Int(answer.prefix { !$0.isNewline }.dropFirst()), count > 1024 else {
            throw FloorFailure(call: "STRLEN")
        }
        return count
    }

    /// A node with everything to push; one without a past for new keys, on a server without any.
    func prepared() async throws -> PushNode {
        if kind == .new {
            await node?.finish()
            node = nil
            _ = server.ask("FLUSHALL")
        }
        let current: PushNode
        if let node {
            current = node
        } else {
            current = try await PushNode(server, configuration)
            node = current
            if kind == .updates {
                try await commit(by: current)
                try await current.push()
            }
        }
        try await commit(by: current)
        return current
    }

    private func commit(by node: PushNode) async throws {
        number += keys.count
        try await node.commit(keys, stampedFrom: number)
    }

    /// A push of everything, as `clock` measures it.
    func ours(_ clock: @escaping (() async throws -> Void) async throws -> Duration) -> Contest.Side {
        { _ in
            let node = try await self.prepared()
            return try await clock { try await node.push() }
        }
    }

    /// Plain `SET ... PX` of everything, as `clock` measures it.
    func floor(_ clock: @escaping (() async throws -> Void) async throws -> Duration) -> Contest.Side {
        { _ in
            if self.kind == .new {
                _ = self.server.ask("FLUSHALL")
            } else if !self.hasSentPlain {
                try self.sendPlain()
            }
            self.hasSentPlain = true
            return try await clock { try self.sendPlain() }
        }
    }

    func sendPlain() throws {
        for start in stride(from: 0, to: floorKeys.count, by: Self.pipeline) {
            for index in start..<start + Self.pipeline {
                let key = floorKeys[index]
                let value = floorValues[index % floorValues.count]
                try check(
                    floor_redis_append_set(redis, key, key.count, value, value.count, 3_600_000),
                    "floor_redis_append_set")
            }
            try check(floor_redis_replies(redis, Self.pipeline), "floor_redis_replies")
        }
    }

    /// The same on a thread of its own, so that whoever waits for something else is not held up.
    func sendPlainBeside() -> Work {
        let work = Work()
        nonisolated(unsafe) let sides = self
        Thread.detachNewThread {
            do {
                try sides.sendPlain()
                work.end(succeeded: true)
            } catch {
                work.end(succeeded: false)
            }
        }
        return work
    }

    /// What goes on beside a measurement.
    final class Work: Sendable {
        private let succeeded = Mutex<Bool?>(nil)

        var isOver: Bool { succeeded.withLock { $0 != nil } }
        var hasFailed: Bool { succeeded.withLock { $0 == false } }

        fileprivate func end(succeeded value: Bool) { succeeded.withLock { $0 = value } }
    }

    func keyCountOnServer() -> Int { Int(server.ask("DBSIZE").prefix { !$0.isNewline }.dropFirst()) ?? 0 }

    /// Whether the server has a value under a key.
    func isVisible(_ key: [UInt8]) throws -> Bool {
        try check(floor_redis_append_get(redis, key, key.count), "floor_redis_append_get")
        let found = floor_redis_found(redis)
        guard found >= 0 else { throw FloorFailure(call: "floor_redis_found") }
        return found == 1
    }

    func finish() async {
        await node?.finish()
        floor_redis_close(redis)
        server.stop()
    }
}
