import CacheKit
import CacheKitCore

@testable import CacheKitSync

/// Changes as the feed gives them, at one moment and of one node.
enum Sample {
    static let now = Timestamp(milliseconds: 1_767_225_600_000)
    static let node: UInt64 = 7
    static let away = CacheError(.remoteUnavailable, "the server can't be reached")
    static let rejected = CacheError(.remoteRejected, "the key holds a value of another type")

    /// A change of the key `k<sequence>`, stamped `age` ago, whose value ends `life` from now.
    static func change(
        _ sequence: UInt64, _ value: [UInt8]? = [1], key: String? = nil, age: Duration = .zero,
        life: Duration = .seconds(60), node: UInt64 = node, base: [ValueFingerprint] = []
    ) throws -> Change {
        let stamped = now.advanced(by: .zero - age)
        let end = now.advanced(by: life)
        return Change(
            key: try CacheKey(key ?? "k\(sequence)"),
            entry: StoredEntry(
                value: value, form: .plain, mode: .native,
                version: Version(stamp: UInt64(stamped.milliseconds) << 16, node: node),
                sequence: ChangeSequence(sequence), origin: .local, expiresAt: end, staleAt: end, base: base))
    }

    /// Four buckets, by the last byte of the key: `k1` lies in 1, `k4` in 0.
    static func bucket(_ key: CacheKey) -> Int { Int(key.string.utf8.last ?? 0) % 4 }

    static func fingerprint(_ value: [UInt8]) throws -> ValueFingerprint {
        try ValueFingerprint(of: value, form: .plain)
    }

    static func record(
        _ value: [UInt8]?, stamped age: Duration = .zero, node: UInt64 = 9
    ) throws -> RemoteRecord {
        RemoteRecord(
            version: Version(stamp: UInt64(now.advanced(by: .zero - age).milliseconds) << 16, node: node),
            kind: value == nil ? .tombstone : .value, fingerprint: try value.map(fingerprint) ?? .none,
            expiresAt: now.advanced(by: .seconds(60)))
    }
}
