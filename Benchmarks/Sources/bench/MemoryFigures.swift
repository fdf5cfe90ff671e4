import CacheKit
import CacheKitCore
import Floors
import Synchronization

let memoryFigures = [
    memoryHit(keys: 1_000), memoryHit(keys: 100_000), secureGet("random"), secureGet("JSON"),
]

/// What a program without a cache library would keep: a dictionary behind a lock.
private final class LockedDictionary: Sendable {
    private let entries = Mutex<[String: [UInt8]]>([:])

    @inline(__always)
    subscript(key: String) -> [UInt8]? {
        get { entries.withLock { $0[key] } }
        set { entries.withLock { $0[key] = newValue } }
    }
}

/// Sealed bytes out of memory without copying, keys of 30 characters in random order.
private func memoryHit(keys count: Int) -> Figure {
    Figure(name: "memory hit, \(count) keys, against a locked Dictionary", bar: .atMost(1)) {
        let cache = try await filledCache(keys: count) { Samples.randomBytes(1024, seed: UInt64($0)) }
        let dictionary = LockedDictionary()
        for key in Samples.keys(count) {
            guard let entry = cache.memoryEntry(for: try CacheKey(key)) else { throw FloorFailure(call: "fill") }
            dictionary[key] = Array(entry.bytes[...])
        }
        let order = Samples.order(count)
        // Both sides look up strings of their own, made in the same way.
        let ours = Samples.keys(count)
        let oursInOrder = try order.map { try CacheKey(ours[$0]) }
        let floor = Samples.keys(count)
        let floorInOrder = order.map { floor[$0] }
        var position = 0
        return Contest(
            ours: timed { operations in
                var bytes = 0
                for _ in 0..<operations {
                    position = position + 1 < count ? position + 1 : 0
                    bytes &+= cache.memoryEntry(for: oursInOrder[position])?.byteCount ?? 0
                }
                keep(bytes)
            },
            floor: timed { operations in
                var bytes = 0
                for _ in 0..<operations {
                    position = position + 1 < count ? position + 1 : 0
                    bytes &+= dictionary[floorInOrder[position]]?.count ?? 0
                }
                keep(bytes)
            })
    }
}

/// The whole read of a secure cache: look up, open, unpack, cut out, against opening alone.
private func secureGet(_ kind: String) -> Figure {
    Figure(name: "secure get, 1,000 keys, 1 KiB \(kind), against EVP open", bar: .atMost(1.5)) {
        func value(_ number: Int) -> [UInt8] {
            kind == "JSON"
                ? Samples.jsonBytes(1024, seed: UInt64(number)) : Samples.randomBytes(1024, seed: UInt64(number))
        }
        let count = 1_000
        let cache = try await filledCache(keys: count, value)
        let handle = cache.bytes
        let order = Samples.order(count)
        let keys = Samples.keys(count)
        let keysInOrder = try order.map { try CacheKey(keys[$0]) }
        let cipher = try Samples.cipher()
        let floor = try CipherFloor()
        // Made in the order of the keys and opened in random order, as the cache's entries are.
        let sealed = try keys.indices.map { number in
            try cipher.seal(value(number), key: CacheKey(keys[number]), compressed: true)
        }
        let associatedData = try keys.map { key in
            AssociatedData.v3(tenant: "default", key: try CacheKey(key), compressed: true)
        }
        var position = 0
        return Contest(
            ours: timed { operations in
                for _ in 0..<operations {
                    position = position + 1 < count ? position + 1 : 0
                    keep(try await handle.get(keysInOrder[position])?.count ?? 0)
                }
            },
            floor: timed { operations in
                for _ in 0..<operations {
                    position = position + 1 < count ? position + 1 : 0
                    let bound = associatedData[order[position]]
                    let bytes = sealed[order[position]]
                    try check(
                        floor_open_fresh(floor.cipher, bound, bound.count, bytes, bytes.count), "floor_open_fresh")
                }
            })
    }
}

/// A secure cache of memory only that holds all of the keys.
private func filledCache(keys count: Int, _ value: (Int) -> [UInt8]) async throws -> Cache {
    var configuration = CacheConfiguration()
    configuration.memory.maximumBytes = count * 2048 + (8 << 20)
    let cache = try await Cache(
        encryption: .secure(key: .keyring(Samples.keyring())), configuration: configuration)
    for (number, key) in Samples.keys(count).enumerated() {
        try await cache.bytes.set(value(number), for: CacheKey(key))
    }
    return cache
}
