internal import CacheKit
internal import CacheKitCore

/// What the checks are written in.
extension RemoteStoreConformance {
    func require(
        _ condition: Bool, _ promise: String, file: String = #fileID, line: Int = #line
    ) throws(CacheError) {
        guard condition else {
            throw CacheError(.internalFault, "the store breaks a promise: \(promise)", file: file, line: line)
        }
    }

    /// Writes without versions, as another SDK does; every write has to take effect.
    func write(_ store: any RemoteStore, _ writes: [RemoteWrite], line: Int = #line) async throws {
        let results = try await store.write(writes)
        try require(results.count == writes.count, "every write has a result", line: line)
        for case .failed(let error) in results { throw error }
    }

    func put(_ key: String, _ value: [UInt8], life: Duration = .seconds(60)) throws -> RemoteWrite {
        RemoteWrite(key: try CacheKey(key), action: .put(value, timeToLive: life))
    }

    func delete(_ key: String) throws -> RemoteWrite { RemoteWrite(key: try CacheKey(key), action: .delete) }

    func value(_ key: CacheKey, _ store: any RemoteStore) async throws -> [UInt8]? {
        try await store.read([key]).first??.value
    }

    func view(_ key: CacheKey, _ store: any RemoteStore) async throws -> RemoteView {
        guard let view = try await store.inspect([key]).first else {
            throw CacheError(.internalFault, "the store breaks a promise: every key that is inspected has a view")
        }
        return view
    }

    /// The time of the pushes: not the remote's own, so that the two can't be mistaken for each other.
    static let now = Timestamp(milliseconds: 2_000_000_000_000)
    static let node: UInt64 = 7

    /// Weighs the writes of one bucket.
    func push(
        _ store: any RemoteStore, _ writes: [VersionedWrite], node: UInt64 = Self.node, expected: UInt64 = 0,
        mark: UInt64 = 1, mayBeLost: Bool = false, line: Int = #line
    ) async throws -> Answer {
        guard let first = writes.first else { throw CacheError(.internalFault, "a check pushes nothing") }
        let answers = try await store.push([
            BucketPush(
                bucket: store.bucket(of: first.key), writes: writes, node: node, expectedMark: expected, mark: mark,
                recordsMayBeLost: mayBeLost, now: Self.now)
        ])
        guard answers.count == 1, case .weighed(let mark, let verdicts) = answers[0] else {
            throw CacheError(.internalFault, "the store breaks a promise: a push is weighed", line: line)
        }
        try require(verdicts.count == writes.count, "every write has a verdict", line: line)
        return Answer(mark: mark, verdicts: verdicts.map(Answer.name))
    }

    /// Weighs one write.
    func push(_ store: any RemoteStore, _ write: VersionedWrite, expected: UInt64 = 0) async throws -> String {
        try await push(store, [write], expected: expected).verdicts[0]
    }

    /// What came of a push, to be compared.
    struct Answer: Equatable {
        var mark: UInt64?
        var verdicts: [String]

        static func name(_ verdict: Verdict) -> String {
            switch verdict {
            case .applied: "applied"
            case .already: "already"
            case .clash: "clash"
            case .stale(let record): "stale \(record.version.bytes) \(record.kind)"
            case .foreign(let fingerprint): "foreign \(fingerprint.bytes)"
            case .absent: "absent"
            case .tooOld: "tooOld"
            case .failed(let error): "failed \(error.code)"
            }
        }

        static func foreign(_ value: [UInt8]) throws -> String {
            name(.foreign(try RemoteStoreConformance.plain(value)))
        }
        static func stale(_ record: RemoteRecord) -> String { name(.stale(record)) }
    }

    /// A put of a sealed value: its fingerprint is its last 16 bytes.
    func put(
        _ key: CacheKey, _ value: [UInt8], at stamp: UInt64, node: UInt64 = Self.node, base: [ValueFingerprint] = [],
        isLate: Bool = false, isTooOld: Bool = false, acceptsAbsence: Bool = false, isResend: Bool = false,
        isRepair: Bool = false, life: Duration = .seconds(60), end: Duration = .seconds(60)
    ) -> VersionedWrite {
        VersionedWrite(
            key: key, action: .put(value, timeToLive: life), version: Version(stamp: stamp, node: node),
            fingerprint: Self.tag(value), base: base, isLate: isLate, isTooOld: isTooOld,
            acceptsAbsence: acceptsAbsence, isResend: isResend, isRepair: isRepair,
            recordExpiresAt: Self.now.advanced(by: end))
    }

    /// A delete, or with a fingerprint a put whose life is over.
    func remove(
        _ key: CacheKey, at stamp: UInt64, expired: ValueFingerprint? = nil, isLate: Bool = false,
        isTooOld: Bool = false, isResend: Bool = false, end: Duration = .seconds(600)
    ) -> VersionedWrite {
        VersionedWrite(
            key: key, action: expired == nil ? .delete : .expire, version: Version(stamp: stamp, node: Self.node),
            fingerprint: expired ?? .none, base: [], isLate: isLate, isTooOld: isTooOld, acceptsAbsence: false,
            isResend: isResend, recordExpiresAt: Self.now.advanced(by: end))
    }

    /// The record that a write leaves.
    func record(_ write: VersionedWrite) -> RemoteRecord {
        var kind = RemoteRecord.Kind.tombstone
        if case .put = write.action { kind = .value }
        return RemoteRecord(
            version: write.version, kind: kind, fingerprint: write.fingerprint, expiresAt: write.recordExpiresAt)
    }

    /// Bytes that tell a value from others; 32 of them, so that their end can be a tag.
    static func sealed(_ number: UInt8) -> [UInt8] { (0..<32).map { number &* 3 &+ $0 } }

    /// The fingerprint of a sealed value.
    static func tag(_ value: [UInt8]) -> ValueFingerprint { ValueFingerprint(bytes: value.suffix(16)) ?? .none }

    /// The fingerprint of a plain value.
    static func plain(_ value: [UInt8]) throws -> ValueFingerprint { try ValueFingerprint(of: value, form: .plain) }

    /// Keys that share a bucket.
    func neighbours(_ count: Int, _ store: any RemoteStore) throws -> [CacheKey] {
        let bucket = store.bucket(of: try CacheKey("k"))
        var keys: [CacheKey] = []
        var number = 0
        while keys.count < count {
            try require(number < 5_000_000, "keys are spread over the buckets")
            let key = try CacheKey("k\(number)")
            if store.bucket(of: key) == bucket { keys.append(key) }
            number += 1
        }
        return keys
    }
}
