import CacheKitCore
import Synchronization

/// One independently locked part of the memory tier.
final class MemoryShard<Order: EvictionOrder>: Sendable {
    /// Proves that the outcome of no write of a key became known since it was taken; see ``MemoryTier``.
    typealias Ticket = UInt64

    private struct State {
        var table = MemoryTable()
        var slots: [MemorySlot] = []
        /// What the slots' forms stand for: plain, and one for each key that sealed.
        var forms: [ValueForm] = []
        var free: [Int] = []
        var order = Order()
        var bytes = 0
        var stripes = [Stripe](repeating: Stripe(), count: MemoryShard.stripeCount)
        var statistics = MemoryStatistics()
        var isClosed = false
        /// Grows with every gap in what is heard of the remote.
        var epoch: UInt32 = 0
    }

    /// What a part of the keys shares, so that keys which are not held need no room.
    private struct Stripe {
        /// Grows whenever the outcome of a write is known.
        var generation: Ticket = 0
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

    private let state = Mutex(State())
    private let maximumBytes: Int

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    /// The live entry of a key, counted as hit or miss unless a caller looks a second time.
    @inline(__always)
    func entry(_ hash: Hash128, now: Timestamp, isCounted: Bool = true) -> MemoryEntry? {
        state.withLock { state in
            guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }) else {
                if isCounted { state.statistics.misses += 1 }
                return nil
            }
            guard state.slots[slot].expiresAt > now else {
                Self.drop(slot, from: &state)
                state.statistics.expirations += 1
                if isCounted { state.statistics.misses += 1 }
                return nil
            }
            guard state.slots[slot].staleAt > now, state.slots[slot].epoch == state.epoch else {
                if isCounted { state.statistics.misses += 1 }
                return nil
            }
            state.order.touched(slot)
            if isCounted { state.statistics.hits += 1 }
            return state.slots[slot].entry(forms: state.forms)
        }
    }

    /// Taken before a lower tier is read or the remote is written.
    func ticket(_ hash: Hash128) -> Ticket {
        state.withLock { $0.stripes[Self.stripe(hash)].generation }
    }

    /// Keeps what a lower tier held, unless the outcome of a write became known meanwhile or something newer is here.
    func fill(_ hash: Hash128, with entry: MemoryEntry, ticket: Ticket) {
        state.withLock { state in
            guard state.stripes[Self.stripe(hash)].generation == ticket else { return }
            put(hash, entry, &state)
        }
    }

    /// Keeps a write that the local store has committed; earlier reads may no longer fill.
    ///
    /// Two commits may arrive here in the other order. A delete leaves nothing to compare with, nor does an entry that was
    /// evicted, so the stripe remembers the highest sequence it has seen: a commit below it is not kept, whichever of its
    /// keys that sequence belonged to.
    func put(_ hash: Hash128, _ entry: MemoryEntry) {
        state.withLock { state in
            if state.stripes[Self.stripe(hash)].note(entry.sequence) {
                put(hash, entry, &state)
            } else {
                Self.remove(hash, below: entry.sequence, from: &state)
            }
        }
    }

    /// Ends a write that no sequence orders: keeps the entry (drops the key for `nil`) if no other write of the stripe ended
    /// since `ticket`, else drops the key, because who came last can't be told.
    ///
    /// Gives the ticket under which the same caller ends its next write of the stripe.
    func end(_ hash: Hash128, _ entry: MemoryEntry?, ticket: Ticket) -> Ticket {
        state.withLock { state in
            let stripe = Self.stripe(hash)
            let isAlone = state.stripes[stripe].generation == ticket
            state.stripes[stripe].generation &+= 1
            if isAlone, let entry {
                put(hash, entry, &state)
            } else {
                Self.remove(hash, below: nil, from: &state)
            }
            return isAlone ? state.stripes[stripe].generation : ticket
        }
    }

    /// Drops a key if what is held is older than `sequence`; earlier reads may no longer fill.
    func invalidate(_ hash: Hash128, below sequence: ChangeSequence) {
        state.withLock { state in
            _ = state.stripes[Self.stripe(hash)].note(sequence)
            Self.remove(hash, below: sequence, from: &state)
        }
    }

    /// Drops a key, whatever is held; earlier reads may no longer fill.
    func remove(_ hash: Hash128) {
        state.withLock { state in
            state.stripes[Self.stripe(hash)].generation &+= 1
            Self.remove(hash, below: nil, from: &state)
        }
    }

    /// Drops an entry, unless another one has taken its place.
    func drop(_ hash: Hash128, _ entry: MemoryEntry) {
        state.withLock { state in
            guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }),
                state.slots[slot].sequence == entry.sequence, state.slots[slot].bytes == entry.bytes
            else { return }
            Self.drop(slot, from: &state)
        }
    }

    /// Holds everything back until it was read from a lower tier once; earlier reads may no longer fill.
    func unverifyAll() {
        state.withLock { state in
            state.epoch &+= 1
            for index in state.stripes.indices { state.stripes[index].generation &+= 1 }
        }
    }

    /// The live entry of a key, also an unverified one; not counted.
    func unverifiedEntry(_ hash: Hash128, now: Timestamp) -> MemoryEntry? {
        state.withLock { state in
            guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }),
                state.slots[slot].staleAt > now
            else { return nil }
            return state.slots[slot].entry(forms: state.forms)
        }
    }

    /// An entry whose life has ended, while it is kept; verified or not, and not counted.
    func staleEntry(_ hash: Hash128, now: Timestamp) -> MemoryEntry? {
        state.withLock { state in
            guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }),
                state.slots[slot].staleAt <= now, state.slots[slot].expiresAt > now
            else { return nil }
            return state.slots[slot].entry(forms: state.forms)
        }
    }

    /// Lets the life of what is held end at another time.
    func renew(_ hash: Hash128, at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp) {
        state.withLock { state in
            guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }) else { return }
            state.slots[slot].renew(at: now, staleAt: staleAt, expiresAt: expiresAt)
        }
    }

    /// Drops an unverified key of which a lower tier says that there is nothing, unless the outcome of a write became known
    /// since `ticket`.
    func dropUnverified(_ hash: Hash128, ticket: Ticket) {
        state.withLock { state in
            guard state.stripes[Self.stripe(hash)].generation == ticket,
                let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }),
                state.slots[slot].epoch != state.epoch
            else { return }
            Self.drop(slot, from: &state)
        }
    }

    /// Drops everything; earlier reads may no longer fill.
    func removeAll() {
        state.withLock { state in
            var stripes = state.stripes
            for index in stripes.indices { stripes[index].generation &+= 1 }
            Self.empty(&state)
            state.stripes = stripes
        }
    }

    /// Drops everything and keeps nothing from now on.
    func close() {
        state.withLock { state in
            Self.empty(&state)
            state.isClosed = true
        }
    }

    private static func empty(_ state: inout State) {
        var emptied = State()
        emptied.statistics = state.statistics
        emptied.isClosed = state.isClosed
        state = emptied
    }

    var statistics: MemoryStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.entries = state.table.count
            statistics.bytes = state.bytes
            return statistics
        }
    }

    static func stripe(_ hash: Hash128) -> Int { Int(truncatingIfNeeded: hash.low >> 32) & (stripeCount - 1) }

    private func put(_ hash: Hash128, _ entry: MemoryEntry, _ state: inout State) {
        let held = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash })
        if let held, state.slots[held].sequence > entry.sequence { return }
        // Larger than the whole shard: keeping it would empty the tier for one entry.
        guard entry.charge <= maximumBytes, !state.isClosed,
            let filled = MemorySlot(hash, entry, epoch: state.epoch, forms: &state.forms)
        else {
            if let held { Self.drop(held, from: &state) }
            return
        }
        if let held {
            state.bytes += entry.charge - state.slots[held].charge
            state.slots[held] = filled
            state.order.touched(held)
            makeRoom(0, &state)
        } else {
            // Before the newcomer joins the queue, or the hand could come to it first.
            makeRoom(entry.charge, &state)
            let slot = state.free.popLast() ?? state.slots.count
            if slot == state.slots.count {
                state.slots.append(filled)
            } else {
                state.slots[slot] = filled
            }
            state.table.insert(hash, slot: slot, hashOf: { state.slots[$0].hash })
            state.order.inserted(slot)
            state.bytes += entry.charge
        }
    }

    private func makeRoom(_ charge: Int, _ state: inout State) {
        while state.bytes + charge > maximumBytes, let victim = state.order.victim() {
            Self.drop(victim, from: &state)
            state.statistics.evictions += 1
        }
    }

    private static func remove(_ hash: Hash128, below sequence: ChangeSequence?, from state: inout State) {
        guard let slot = state.table.slot(of: hash, matches: { state.slots[$0].hash == hash }) else { return }
        if let sequence, state.slots[slot].sequence >= sequence { return }
        drop(slot, from: &state)
    }

    private static func drop(_ slot: Int, from state: inout State) {
        let hash = state.slots[slot].hash
        state.table.remove(hash, slot: slot, hashOf: { state.slots[$0].hash })
        state.order.removed(slot)
        state.bytes -= state.slots[slot].charge
        state.slots[slot].clear()
        state.free.append(slot)
    }
}
