import CacheKitCore

/// What a memory shard holds; its lock guards it.
struct MemoryShardState<Order: EvictionOrder & ~Copyable>: ~Copyable, Sendable {
    // What a hit reads comes first.
    var table = MemoryTable()
    var slots = MemorySlots()
    /// What the slots' forms stand for: plain, and one for each key that sealed.
    var forms: [ValueForm] = []
    /// Grows with every gap in what is heard of the remote.
    private(set) var epoch: UInt16 = 0
    var isClosed = false
    var order: Order
    var free: [Int] = []
    var bytes = 0
    var stripes = [Stripe](repeating: Stripe(), count: stripeCount)
    var evictions = 0
    var expirations = 0
    private let maximumBytes: Int

    /// What a part of the keys shares, so that keys which are not held need no room.
    struct Stripe: Sendable {
        /// Grows whenever the outcome of a write is known.
        var generation: UInt64 = 0
        /// The highest sequence committed, as far as this process knows.
        var newest = ChangeSequence.zero

        /// Takes note of a committed change; `false` if a later one is known.
        mutating func note(_ sequence: ChangeSequence) -> Bool {
            generation &+= 1
            guard sequence >= newest else { return false }
            newest = sequence
            return true
        }
    }

    static var stripeCount: Int { 64 }

    static func stripe(_ hash: Hash128) -> Int { Int(truncatingIfNeeded: hash.low >> 32) & (stripeCount - 1) }

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
        order = Order(maximumBytes: maximumBytes)
    }

    /// The slot of a key; only reads, so several readers may ask at once.
    @inline(__always)
    func slot(_ hash: Hash128) -> Int? {
        table.slot(of: hash, matches: { slots[$0].hash == hash })
    }

    /// Keeps an entry if nothing newer is held.
    mutating func put(_ hash: Hash128, _ entry: MemoryEntry) {
        let held = slot(hash)
        if let held, slots[held].sequence > entry.sequence { return }
        // Larger than the whole shard: keeping it would empty the tier for one entry.
        guard entry.charge <= maximumBytes, !isClosed,
            let filled = MemorySlot(hash, entry, epoch: epoch, forms: &forms)
        else {
            if let held { drop(held) }
            return
        }
        if let held {
            order.lifted(held)
            bytes -= slots[held].charge
            makeRoom(entry.charge)
            slots.set(held, to: filled)
            order.lowered(held, weight: entry.charge)
        } else {
            order.expect(hash, weight: entry.charge, isFull: bytes + entry.charge > maximumBytes)
            makeRoom(entry.charge)
            let slot = free.popLast() ?? slots.count
            slots.set(slot, to: filled)
            table.insert(hash, slot: slot, hashOf: { slots[$0].hash })
            order.inserted(slot, weight: entry.charge)
        }
        bytes += entry.charge
    }

    /// Says since when an entry is known that a lower tier gives: as long as the same one that is held, unless it was renewed.
    func date(_ entry: inout MemoryEntry, _ hash: Hash128, at now: Timestamp) {
        entry.writtenAt = now
        guard let slot = slot(hash), holds(entry, in: slot) else { return }
        let held = slots[slot].entry(forms: forms)
        // What is left of a life is told to within a round trip.
        guard entry.staleAt <= held.staleAt.advanced(by: .seconds(1)) else { return }
        entry.writtenAt = held.writtenAt
        entry.isWriteTimeKnown = held.isWriteTimeKnown
    }

    private mutating func makeRoom(_ charge: Int) {
        while bytes + charge > maximumBytes, let victim = order.victim() {
            order.evicted(victim, slots[victim].hash)
            clear(victim)
            evictions += 1
        }
    }

    /// Drops a key if what is held is older than `sequence`; whatever is held for `nil`.
    mutating func remove(_ hash: Hash128, below sequence: ChangeSequence?) {
        guard let slot = slot(hash) else { return }
        if let sequence, slots[slot].sequence >= sequence { return }
        drop(slot)
    }

    /// Whether this entry of a key is held, and not another.
    func holds(_ entry: MemoryEntry, _ hash: Hash128) -> Bool {
        slot(hash).map { holds(entry, in: $0) } ?? false
    }

    /// Whether a slot holds this entry, and not another of its key.
    func holds(_ entry: MemoryEntry, in slot: Int) -> Bool {
        let held = slots[slot].entry(forms: forms)
        return held.sequence == entry.sequence && held.content == entry.content
    }

    /// Drops what a slot holds.
    mutating func drop(_ slot: Int) {
        order.removed(slot)
        clear(slot)
    }

    private mutating func clear(_ slot: Int) {
        let hash = slots[slot].hash
        table.remove(hash, slot: slot, hashOf: { slots[$0].hash })
        bytes -= slots[slot].charge
        slots.clear(slot)
        free.append(slot)
    }

    /// Drops everything and what was learnt of it. The stripes stay, and so do the counts.
    mutating func removeAll() {
        table = MemoryTable()
        slots = MemorySlots()
        forms = []
        free = []
        order = Order(maximumBytes: maximumBytes)
        bytes = 0
        epoch = 0
    }

    /// Holds everything back until it was read from a lower tier once; earlier reads may no longer fill.
    mutating func unverifyAll() {
        // From the first epoch again, what is held from then would count as verified.
        if epoch == .max { removeAll() } else { epoch += 1 }
        expireTickets()
    }

    /// Earlier reads may no longer fill.
    mutating func expireTickets() {
        for index in stripes.indices { stripes[index].generation &+= 1 }
    }
}
