import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis
@testable import CacheKitSync

/// Random sequences, done to a real server and to the model of docs/sync.md that shares nothing with the script: the same
/// verdicts, marks, records and values after every step. And the same verdicts as were forecast from what the server held.
@Suite(.serialized, .timeLimit(.minutes(10)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct VerdictEquivalenceTests {
    @Test func `the script decides as the model does`() async throws {
        let seed = UInt64.random(in: .min ... .max)
        let world = try await VersionedWorld.start()
        let count = TestEffort.count(short: 1_000, long: 50_000)
        let keys = try world.keys(4, like: "equal")
        var verdicts: [String: Int] = [:]
        for sequence in 0..<count {
            var course = Course(world, keys: keys, seed: seed &+ UInt64(sequence))
            for step in 0..<12 {
                guard let difference = try await course.step() else { continue }
                Issue.record("seed \(seed), sequence \(sequence), step \(step): \(difference)")
                return
            }
            verdicts.merge(course.verdicts) { $0 + $1 }
        }
        // Every verdict has its part: a generator that only ever meets one shows nothing.
        for verdict in ["applied", "already", "clash", "stale", "foreign", "absent", "tooOld", "failed"] {
            #expect(verdicts[verdict, default: 0] > count / 50, "seed \(seed): \(verdicts)")
        }
    }
}

/// One sequence: a few keys of one bucket, a few values, a few versions, so that they meet.
private struct Course {
    private static let nodes: [UInt64] = [7, 9, 1 << 40 | 3]

    private let world: VersionedWorld
    private var random: SeededRandom
    private var cells = VersionedCells()
    private let keys: [CacheKey]
    private let bucket: Int
    /// Sealed and plain, short and long, and none at all.
    private let values: [[UInt8]]
    private(set) var verdicts: [String: Int] = [:]

    init(_ world: VersionedWorld, keys: [CacheKey], seed: UInt64) {
        self.world = world
        random = SeededRandom(seed: seed)
        self.keys = keys
        bucket = world.store.bucket(of: keys[0])
        var values: [[UInt8]] = [[], [1], sealed(1), sealed(2), Array(repeating: 0, count: 20)]
        if seed % 16 == 0 { values += [Array(repeating: 3, count: 65_536), Array(repeating: 3, count: 65_537)] }
        self.values = values
        isBegun = false
    }

    private var isBegun: Bool

    /// Does one thing to both.
    ///
    /// - Returns: how they differ afterwards; `nil` when they do not.
    mutating func step() async throws -> String? {
        if !isBegun {
            isBegun = true
            _ = try await world.store.command(
                [Array("UNLINK".utf8)] + keys.map { Array($0.string.utf8) } + [bucketName])
        }
        let pushed: String?
        switch Int.random(in: 0..<10, using: &random) {
        case 0: pushed = try await foreignWrite()
        case 1: pushed = try await loss()
        default: pushed = try await push()
        }
        if let pushed { return pushed }
        return try await difference()
    }

    private var bucketName: [UInt8] { Array("ckv:\(bucket)".utf8) }

    private mutating func foreignWrite() async throws -> String? {
        let key = pick(keys)
        let name = Array(key.string.utf8)
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1, 2, 3:
            let value = pick(values)
            try await world.command(Array("SET".utf8), name, value)
            cells.cells[key] = VersionedCells.Cell(value: value, expiresAt: nil)
        case 4:
            let value = pick(values)
            try await world.command(Array("SET".utf8), name, value, Array("PX".utf8), Array("600000".utf8))
            cells.cells[key] = VersionedCells.Cell(value: value, expiresAt: end)
        case 5, 6:
            try await world.command(Array("DEL".utf8), name)
            cells.cells[key] = nil
        default:
            try await world.command(Array("DEL".utf8), name)
            try await world.command(Array("LPUSH".utf8), name, [1])
            cells.cells[key] = VersionedCells.Cell(value: nil, expiresAt: nil)
        }
        return nil
    }

    /// What a server that lost its tail, or its records, has left.
    private mutating func loss() async throws -> String? {
        let node = pick(Self.nodes)
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            try await world.command(Array("DEL".utf8), bucketName)
            cells.buckets[bucket] = nil
        case 1:
            let key = pick(keys)
            try await world.command(Array("HDEL".utf8), bucketName, Array(key.string.utf8))
            cells.buckets[bucket]?.records[key] = nil
        case 2:
            try await world.command(Array("HDEL".utf8), bucketName, Buckets.markField(of: node))
            cells.buckets[bucket]?.marks[node] = nil
        default:
            guard cells.buckets[bucket]?.marks[node] != nil else { return nil }
            let mark = pick(Self.marks)
            var bytes: [UInt8] = []
            bytes.append(bigEndian: mark)
            try await world.command(Array("HSET".utf8), bucketName, Buckets.markField(of: node), bytes)
            cells.buckets[bucket]?.marks[node] = mark
        }
        // A hash without fields is no key.
        if let left = cells.buckets[bucket], left.records.isEmpty, left.marks.isEmpty { cells.buckets[bucket] = nil }
        return nil
    }

    private mutating func push() async throws -> String? {
        let count = Int.random(in: 1...3, using: &random)
        var writes: [VersionedWrite] = []
        for key in keys.shuffled(using: &random).prefix(count) { writes.append(try write(key)) }
        let push = BucketPush(
            bucket: bucket, writes: writes, node: pick(Self.nodes), expectedMark: chance(3) ? pick(Self.marks) : 0,
            mark: pick(Self.marks), recordsMayBeLost: chance(8), now: Timestamp(milliseconds: VersionedWorld.now))
        let forecast = try await forecast(push)
        let found = Pushed(try await world.store.push([push])[0])
        let expected = Pushed(cells.push(push, at: SystemClock().now()))
        for verdict in found.verdicts {
            verdicts[String(verdict.prefix { $0 != " " }), default: 0] += 1
        }
        if found != expected { return "\(found), and the model says \(expected), of \(push)" }
        let isForeseen = zip(forecast.verdicts, found.verdicts).allSatisfy { foreseen, verdict in
            // Why is the server's to say.
            foreseen == verdict || foreseen.hasPrefix("failed") && verdict.hasPrefix("failed")
        }
        return isForeseen ? nil : "\(found), and forecast was \(forecast), of \(push)"
    }

    private func forecast(_ push: BucketPush) async throws -> Pushed {
        let views = try await world.store.inspect(push.writes.map(\.key))
        let mark = try await world.store.marks(of: push.node, in: [bucket])[0].get()
        let isLost = push.recordsMayBeLost || push.expectedMark > mark ?? 0
        let verdicts = zip(push.writes, views).map {
            VerdictForecast(write: $0, view: $1, isLost: isLost, now: push.now).verdict()
        }
        return Pushed(.weighed(mark: mark, verdicts: verdicts))
    }

    private mutating func write(_ key: CacheKey) throws -> VersionedWrite {
        let value = pick(values)
        var known: [ValueFingerprint] = [.none]
        for value in values {
            known.append(try .plain(value))
            if value.count >= 16 { known.append(try .tag(value)) }
        }
        let fingerprint = chance(2) || value.count < 16 ? try ValueFingerprint.plain(value) : try .tag(value)
        let kind = Int.random(in: 0..<6, using: &random)
        let action: VersionedWrite.Action =
            kind == 0 ? .delete : kind == 1 ? .expire : .put(value, timeToLive: Self.life)
        var base: [ValueFingerprint] = []
        for _ in 0..<Int.random(in: 0...2, using: &random) { base.append(pick(known)) }
        return VersionedWrite(
            key: key, action: action,
            version: Version(stamp: pick([5, 6, 1 << 40, 1 << 63]), node: pick(Self.nodes)),
            fingerprint: kind == 0 ? .none : fingerprint, base: base, isLate: chance(2), isTooOld: chance(5),
            acceptsAbsence: chance(4), isResend: chance(4), isRepair: chance(3),
            recordExpiresAt: Timestamp(milliseconds: VersionedWorld.now + pick([-1, 0, 1, 600_000])))
    }

    private static let marks: [UInt64] = [1, 2, 3, 1 << 32, 1 << 48 | 5, 1 << 63]
    /// Longer than any run; what is left of it is not compared to the millisecond.
    private static let life = Duration.seconds(600)
    private var end: Timestamp { SystemClock().now().advanced(by: Self.life) }

    private mutating func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private func difference() async throws -> String? {
        let now = SystemClock().now()
        let views = try await world.store.inspect(keys)
        for (key, view) in zip(keys, views) {
            let record = cells.buckets[bucket]?.records[key]
            if view.record != record { return "a record is \(view.record as Any) and should be \(record as Any)" }
            let entry = cells.entry(key, at: now)
            if view.entry?.value != entry?.value {
                return "a value is \(view.entry as Any) and should be \(entry as Any)"
            }
            if (view.entry?.remaining == nil) != (entry?.remaining == nil) { return "a life differs" }
        }
        guard
            case .array(let marks) = try await world.store.command(
                [Array("HMGET".utf8), bucketName] + Self.nodes.map { Buckets.markField(of: $0) })
        else { return "there are no marks" }
        for (node, reply) in zip(Self.nodes, marks) {
            var expected = RESPValue.null
            if let mark = cells.buckets[bucket]?.marks[node] {
                var bytes: [UInt8] = []
                bytes.append(bigEndian: mark)
                expected = .bulkString(bytes)
            }
            if reply != expected { return "a mark is \(reply) and should be \(expected)" }
        }
        return nil
    }
}
