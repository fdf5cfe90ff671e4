import CacheKit
import CacheKitCore
import CacheKitTesting

@testable import CacheKitRedis

/// A store with versions on a server of its own.
struct VersionedWorld {
    /// What the pushes take for the time; far from the server's own, so that the two can't be mistaken for each other.
    static let now: Int64 = 2_000_000_000_000

    let server: RedisServer
    let store: RedisStore

    static func start(_ arguments: [String] = []) async throws -> VersionedWorld {
        let server = try await RedisServer.start(arguments)
        return VersionedWorld(server: server, store: try makeStore(server.unixURL))
    }

    /// Keys that share a bucket.
    func keys(_ count: Int, like prefix: String = "k") throws -> [CacheKey] {
        let bucket = store.bucket(of: try CacheKey(prefix))
        var keys = [try CacheKey(prefix)]
        var number = 0
        while keys.count < count {
            let key = try CacheKey("\(prefix)\(number)")
            if store.bucket(of: key) == bucket { keys.append(key) }
            number += 1
        }
        return keys
    }

    @discardableResult
    func push(
        _ writes: [VersionedWrite], node: UInt64 = 7, expected: UInt64 = 0, mark: UInt64 = 1, doubts: Bool = false
    ) async throws -> Pushed {
        let bucket = store.bucket(of: try writes.first?.key ?? CacheKey("k"))
        let answers = try await store.push([
            BucketPush(
                bucket: bucket, writes: writes, node: node, expectedMark: expected, mark: mark,
                recordsMayBeLost: doubts, now: Timestamp(milliseconds: Self.now))
        ])
        return Pushed(answers[0])
    }

    /// As any other client would.
    @discardableResult
    func command(_ arguments: [UInt8]...) async throws -> RESPValue { try await store.command(arguments) }

    @discardableResult
    func command(_ arguments: String...) async throws -> RESPValue {
        try await store.command(arguments.map { Array($0.utf8) })
    }

    func value(_ key: CacheKey) async throws -> [UInt8]? { try await store.read([key])[0]?.value }

    func record(_ key: CacheKey) async throws -> RemoteRecord? { try await store.inspect([key])[0].record }

    func mark(_ key: CacheKey, node: UInt64 = 7) async throws -> UInt64? {
        try await store.marks(of: node, in: [store.bucket(of: key)])[0].get()
    }
}

/// What came of a push, to be compared.
struct Pushed: Equatable {
    var mark: UInt64?
    var verdicts: [String]
    /// Of a push that failed as a whole.
    var failure: CacheError.Code?

    init(mark: UInt64? = nil, _ verdicts: [String]) {
        self.mark = mark
        self.verdicts = verdicts
    }

    init(_ answer: BucketAnswer) {
        verdicts = []
        switch answer {
        case .weighed(let mark, let verdicts):
            self.mark = mark
            self.verdicts = verdicts.map(\.text)
        case .failed(let error): failure = error.code
        }
    }
}

extension Verdict {
    /// What it says, to be compared.
    var text: String {
        switch self {
        case .applied: "applied"
        case .already: "already"
        case .clash: "clash"
        case .stale(let record): "stale " + hex(RecordCodec.encode(record))
        case .foreign(let fingerprint): "foreign " + hex(fingerprint.bytes)
        case .absent: "absent"
        case .tooOld: "tooOld"
        case .failed(let error): "failed \(error.code)"
        }
    }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension ValueFingerprint {
    static func plain(_ value: [UInt8]) throws -> ValueFingerprint { try ValueFingerprint(of: value, form: .plain) }

    /// Of a value that ends with these bytes.
    static func tag(_ value: [UInt8]) throws -> ValueFingerprint {
        guard let tag = ValueFingerprint(bytes: value.suffix(16)) else {
            throw CacheError(.invalidArgument, "a sealed value has at least 16 bytes")
        }
        return tag
    }
}

extension VersionedWrite {
    /// A put of a value whose fingerprint is its last 16 bytes, or as of a plain one where it is shorter.
    static func put(
        _ key: CacheKey, _ value: [UInt8], at stamp: UInt64, node: UInt64 = 7, isPlain: Bool = false,
        base: [ValueFingerprint] = [], isLate: Bool = false, isTooOld: Bool = false, acceptsAbsence: Bool = false,
        isResend: Bool = false, life: Duration = .seconds(60), end: Int64 = VersionedWorld.now + 60_000
    ) throws -> VersionedWrite {
        VersionedWrite(
            key: key, action: .put(value, timeToLive: life), version: Version(stamp: stamp, node: node),
            fingerprint: isPlain || value.count < 16 ? try .plain(value) : try .tag(value), base: base, isLate: isLate,
            isTooOld: isTooOld, acceptsAbsence: acceptsAbsence, isResend: isResend,
            recordExpiresAt: Timestamp(milliseconds: end))
    }

    /// A delete, or with a fingerprint a put that is over.
    static func remove(
        _ key: CacheKey, at stamp: UInt64, node: UInt64 = 7, expired: ValueFingerprint? = nil,
        base: [ValueFingerprint] = [], isLate: Bool = false, isTooOld: Bool = false, isResend: Bool = false
    ) -> VersionedWrite {
        VersionedWrite(
            key: key, action: expired == nil ? .delete : .expire, version: Version(stamp: stamp, node: node),
            fingerprint: expired ?? .none, base: base, isLate: isLate, isTooOld: isTooOld, acceptsAbsence: false,
            isResend: isResend, recordExpiresAt: Timestamp(milliseconds: VersionedWorld.now + 1_000_000))
    }

    /// The record that it leaves.
    var record: RemoteRecord {
        RemoteRecord(
            version: version, kind: action.value == nil ? .tombstone : .value, fingerprint: fingerprint,
            expiresAt: recordExpiresAt)
    }
}

/// Bytes that tell a value from others; 32 of them, so that their end can be a tag.
func sealed(_ number: UInt8) -> [UInt8] { (0..<32).map { number &* 3 &+ $0 } }
