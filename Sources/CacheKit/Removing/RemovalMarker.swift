import CacheKitCore

/// What says, in the stores, that a namespace or a tag was removed, and when: an entry like any other, under a name that no key can
/// have.
///
/// The name is the namespace, a colon, a NUL, and `a` for all of the namespace, `t` for the latest removal of any of its tags, or 32
/// hex digits of a tag's hash. So it lies where the namespace's keys lie: under the same patterns of an ACL and the same followed
/// prefixes.
struct RemovalMarker: Hashable, Sendable {
    /// What of a namespace was removed.
    enum Part: Hashable, Sendable {
        /// All of it.
        case all
        /// Some tag: what is newer than the latest of these removals needs no question after its tags.
        case anyTag
        /// One tag.
        case tag(TagHash)
    }

    var namespace: String
    var part: Part

    /// The longest that a tagged value is kept, stale windows included, so that tags' markers need not be kept for ever.
    static let longestTaggedLife: Duration = .seconds(30 * 86_400)
    /// A day longer than what it kills.
    static let tagMarkerLife: Duration = longestTaggedLife + .seconds(86_400)
    /// Room for the longest name of a marker.
    static let suffixByteCount = 34

    init(_ namespace: String, _ part: Part) {
        self.namespace = namespace
        self.part = part
    }

    /// The marker that a key names; `nil` for anybody's key.
    init?(_ key: CacheKey) {
        guard key.isMarker else { return nil }
        let bytes = Array(key.string.utf8)
        guard let place = bytes.firstIndex(of: 0), place > 1, bytes[place - 1] == UInt8(ascii: ":") else { return nil }
        let suffix = bytes[(place + 1)...]
        switch suffix.count {
        case 1 where suffix.first == UInt8(ascii: "a"): part = .all
        case 1 where suffix.first == UInt8(ascii: "t"): part = .anyTag
        case 32:
            guard let tag = TagHash(hex: suffix) else { return nil }
            part = .tag(tag)
        default: return nil
        }
        namespace = String(decoding: bytes[..<(place - 1)], as: UTF8.self)
    }

    /// Its key; a namespace's name is short enough for it.
    var key: CacheKey {
        switch part {
        case .all: CacheKey(validated: "\(namespace):\0a")
        case .anyTag: CacheKey(validated: "\(namespace):\0t")
        case .tag(let tag): CacheKey(validated: "\(namespace):\0\(tag.hex)")
        }
    }

    /// How long it is kept: longer than what it kills.
    var life: Duration { part == .all ? CacheConfiguration.maximumTTL : Self.tagMarkerLife }

    /// What is stored of it: a document that says nothing, with the stamp beside it.
    static let document: [UInt8] = [0xC0]
}

extension TagHash {
    /// 32 lowercase hex digits.
    var hex: String {
        [high, low].map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    fileprivate init?(hex: some Collection<UInt8>) {
        let digits = String(decoding: hex, as: UTF8.self)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
