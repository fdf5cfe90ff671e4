internal import CacheKit
internal import CacheKitCore

/// Which buckets there are, how they are called, and which of them a key lies in (docs/sync.md, "Buckets").
struct Buckets: Sendable {
    /// Whether one server has every key. If not, a bucket is on the server of its keys: there is one for each slot.
    let hasOneServer: Bool

    /// Enough that a server with millions of keys has no hash that is slow to copy or to scan; few enough that a batch has
    /// several keys of one.
    private static let countOnOneServer = 256

    var count: Int { hasOneServer ? Self.countOnOneServer : HashSlot.count }

    /// Whether a bucket soon has more fields than are quickly looked through. Redis keeps a hash of up to 512 small fields as a
    /// list (https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/memory-optimization/), unless one is
    /// longer than 64 bytes: such a one is put in, and a push takes two thirds of the time.
    var areLarge: Bool { hasOneServer }

    /// The bucket of a key.
    func bucket(of key: CacheKey) -> Int {
        hasOneServer
            ? Int(HashSlot.checksum(of: key.string)) % Self.countOnOneServer : HashSlot(of: key.string).number
    }

    /// The key that a bucket lies under; no key of a user begins like it.
    func name(_ bucket: Int) -> String {
        hasOneServer ? "\(CacheKey.reservedPrefix)\(bucket)" : "\(CacheKey.reservedPrefix){\(Self.tags[bucket])}"
    }

    /// The field of a bucket that a node's mark lies under; no key begins with a zero byte.
    static func markField(of node: UInt64) -> [UInt8] {
        var field: [UInt8] = [0]
        field.append(bigEndian: node)
        return field
    }

    /// For each slot the smallest decimal number that lies in it. Made once, when a Cluster is first asked.
    private static let tags: [Int] = {
        var tags = [Int](repeating: 0, count: HashSlot.count)
        var isTaken = [Bool](repeating: false, count: HashSlot.count)
        var missing = HashSlot.count
        var number = 0
        while missing > 0 {
            let slot = HashSlot(of: String(number)).number
            if !isTaken[slot] {
                isTaken[slot] = true
                tags[slot] = number
                missing -= 1
            }
            number += 1
        }
        return tags
    }()
}
