import CacheKitCore

/// A hash table from 128-bit key hashes to numbered slots: open addressing, linear probing, backward-shift deletion.
///
/// A bucket is 4 bytes, because a table that stays in the processor's cache is what a hit's time hangs on: as many bits as
/// number the buckets hold the slot's number, the others a part of the hash, so that probing rarely touches a slot that is
/// not the one looked for. Keys themselves are not kept: the hash is seeded per process and 128 bits wide.
struct MemoryTable: Sendable {
    /// Under the mask: slot + 1, 0 for an empty bucket; fewer slots than buckets are in use, so it fits. Above the mask:
    /// bits of `hash.high`.
    private var buckets: [UInt32]
    private var mask: UInt32
    private(set) var count = 0

    init(minimumCapacity: Int = 16) {
        var capacity = 16
        while capacity < minimumCapacity * 2 { capacity *= 2 }
        buckets = [UInt32](repeating: 0, count: capacity)
        mask = UInt32(capacity - 1)
    }

    // The lower half of `hash.high` chooses the shard, so it says little here.
    @inline(__always)
    private func tag(_ hash: Hash128) -> UInt32 { UInt32(truncatingIfNeeded: hash.high >> 32) & ~mask }

    @inline(__always)
    private func home(_ hash: Hash128) -> Int { Int(UInt32(truncatingIfNeeded: hash.low) & mask) }

    @inline(__always)
    private func next(_ position: Int) -> Int { (position &+ 1) & Int(mask) }

    @inline(__always)
    private func slot(in bucket: UInt32) -> Int { Int(bucket & mask) &- 1 }

    /// The slot of a hash; `matches` compares the whole hash of a candidate.
    @inline(__always)
    func slot(of hash: Hash128, matches: (Int) -> Bool) -> Int? {
        let tag = tag(hash)
        var position = home(hash)
        while true {
            let bucket = buckets[position]
            if bucket == 0 { return nil }
            if bucket & ~mask == tag {
                let slot = slot(in: bucket)
                if matches(slot) { return slot }
            }
            position = next(position)
        }
    }

    /// Adds a hash that is not in the table. `hashOf` gives the hash of a slot, for growing. Slots are numbered densely:
    /// below the greatest count of hashes that the table has held.
    mutating func insert(_ hash: Hash128, slot: Int, hashOf: (Int) -> Hash128) {
        if (count + 1) * 2 > buckets.count { grow(hashOf) }
        precondition(slot < Int(mask), "slots are numbered densely")
        place(hash, slot)
        count += 1
    }

    /// Removes the bucket of a slot and closes the gap.
    mutating func remove(_ hash: Hash128, slot: Int, hashOf: (Int) -> Hash128) {
        var gap = home(hash)
        while self.slot(in: buckets[gap]) != slot {
            guard buckets[gap] != 0 else { return }
            gap = next(gap)
        }
        var position = gap
        while true {
            position = next(position)
            let bucket = buckets[position]
            if bucket == 0 { break }
            let home = home(hashOf(self.slot(in: bucket)))
            // Move back unless its home lies between the gap (exclusive) and where it stands.
            if (position - home) & Int(mask) >= (position - gap) & Int(mask) {
                buckets[gap] = bucket
                gap = position
            }
        }
        buckets[gap] = 0
        count -= 1
    }

    private mutating func place(_ hash: Hash128, _ slot: Int) {
        var position = home(hash)
        while buckets[position] != 0 { position = next(position) }
        buckets[position] = tag(hash) | UInt32(slot + 1)
    }

    private mutating func grow(_ hashOf: (Int) -> Hash128) {
        let old = self
        buckets = [UInt32](repeating: 0, count: old.buckets.count * 2)
        mask = UInt32(buckets.count - 1)
        for bucket in old.buckets where bucket != 0 {
            let slot = old.slot(in: bucket)
            place(hashOf(slot), slot)
        }
    }
}
