import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// The files of format 1 that are kept in `Fixtures/`, and what was put into them.
///
/// Written down as literals and not as calls of what made them: a change of today's code must not change what is expected.
struct FormatOne: Sendable, CustomTestStringConvertible {
    /// Without its `.db`.
    let name: String
    /// How many bits of a hash make the id; with 2, most rows are in `overflow`.
    let hashBits: Int
    /// The node that made it.
    let node: UInt64
    /// SHA-256 of the file.
    let digest: String

    var testDescription: String { name }

    static let files = [
        FormatOne(
            name: "format-1", hashBits: 63, node: 0xf98e_43c0_b84b_e345,
            digest: "766ca4811040fbf8785b17ca0aaea8314271f47c9a80b340ce5d23a566cce393"),
        FormatOne(
            name: "format-1-overflow", hashBits: 2, node: 0xac9e_9244_d2f9_156d,
            digest: "792d7c2f782b66b1ce7ac01df7f555b22a0275595c9b1590bf9fc07605b6ecd4"),
    ]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    var bytes: Data { get throws { try Data(contentsOf: Self.folder.appending(path: name + ".db")) } }

    /// The master keys that met the files, in the order in which they became current. The first one was retired.
    static func key(_ number: Int) throws -> MasterKey {
        try MasterKey(hex: String(repeating: "0\(number)", count: 32))
    }

    /// What opens the files: the current key and the one before it.
    static var keyring: Keyring { get throws { try Keyring(current: key(3), previous: [key(2)]) } }

    static let tenant = "tenant-one"
    /// When the files were begun; each change has its second after it.
    static let start = Timestamp(milliseconds: 1_767_225_600_000)
    static let watermark = ChangeSequence(12)
    static let deadLetter = ChangeSequence(12)
    static let lastSequence = ChangeSequence(17)
}

extension FormatOne {
    /// What the `base` of a row says that the remote may hold.
    enum Base {
        case nothing
        /// The very value of the row.
        case value
        /// A value that was there before.
        case former
    }

    /// One row under its latest change.
    struct Row: Sendable {
        var sequence: UInt64
        var key: String
        var mode: NamespaceMode
        /// The master key under which the value is sealed; `nil` in a plain cache and for a delete.
        var sealedUnder: Int?
        /// `nil` for a delete.
        var document: MessagePackValue?
        var origin = EntryOrigin.local
        /// Seconds from the start to the change, and its number within that millisecond.
        var second: UInt64
        var counter: UInt64 = 0
        /// Seconds from the change to the row's end.
        var lifetime = 30 * 86_400
        var base = Base.nothing

        var expiresAt: Timestamp { start.advanced(by: .seconds(Int(second) + lifetime)) }

        /// Stamped by the node that made the file.
        func version(_ node: UInt64) -> Version {
            Version(stamp: (UInt64(start.milliseconds) + second * 1000) << 16 | counter, node: node)
        }
    }

    /// In the order of the feed. Changes 6 and 11 were overwritten by 7 and 13.
    static let rows = [
        Row(
            sequence: 1, key: "people:ada", mode: .native, sealedUnder: 3, document: ["id": 1, "name": "Ada"],
            second: 1,
            base: .former),
        Row(
            sequence: 2, key: "shared:ada", mode: .interop, sealedUnder: 3,
            document: ["at": 1.5, "id": 2, "tags": ["a", "b"]], second: 2, base: .former),
        Row(sequence: 3, key: "open:ada", mode: .native, document: "three", second: 3),
        Row(sequence: 4, key: "lent:ada", mode: .interop, document: [1, -2, 3.5, nil, true], second: 3, counter: 1),
        Row(
            sequence: 5, key: "people:large", mode: .native, sealedUnder: 3, document: .bytes(noise), second: 4,
            base: .former),
        Row(sequence: 7, key: "people:gone", mode: .native, second: 6, lifetime: 7 * 86_400),
        Row(
            sequence: 8, key: "people:brief", mode: .native, sealedUnder: 3, document: "brief", second: 7, lifetime: 60,
            base: .former),
        Row(
            sequence: 9, key: "shared:read", mode: .interop, sealedUnder: 3, document: ["read": 9], origin: .remote,
            second: 8, base: .former),
        Row(
            sequence: 10, key: "lent:read", mode: .interop, document: ["read": 10], origin: .remote, second: 9),
        Row(
            sequence: 12, key: "people:refused", mode: .native, sealedUnder: 2, document: "refused", second: 11),
        Row(
            sequence: 13, key: "shared:changed", mode: .interop, sealedUnder: 3, document: "second", second: 12,
            base: .former),
        Row(sequence: 14, key: "lent:waiting", mode: .interop, document: 14, second: 13),
        Row(sequence: 15, key: "open:unwanted", mode: .native, second: 14, lifetime: 7 * 86_400),
        Row(
            sequence: 16, key: "people:late", mode: .native, sealedUnder: 3, document: "late", second: 15, lifetime: 60),
        Row(
            sequence: 17, key: "shared:fresh", mode: .interop, sealedUnder: 3, document: "fresh", origin: .remote,
            second: 16, base: .value),
    ]

    /// Does not fit a page, and no compression makes it.
    static let noise: [UInt8] = {
        var state: UInt64 = 1
        return (0..<6000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()
}
