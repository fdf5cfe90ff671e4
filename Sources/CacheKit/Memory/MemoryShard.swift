import CacheKitCore

/// One independently locked part of the memory tier.
///
/// Reads do not wait for each other (``ReaderLanes``): they change nothing but atomic counts. What changes what is held
/// comes alone.
final class MemoryShard<Order: EvictionOrder & ~Copyable>: Sendable {
    /// Proves that the outcome of no write of a key became known since it was taken; see ``MemoryTier``.
    typealias Ticket = UInt64
    private typealias State = MemoryShardState<Order>

    private let lanes = ReaderLanes()
    // Read by several threads at once inside `lanes`, which `Mutex` can't express; changed in `lanes.withWriting` only. So
    // no access overlaps a change, and checking that at run time would cost each read.
    @exclusivity(unchecked)
    private nonisolated(unsafe) var state: MemoryShardState<Order>

    init(maximumBytes: Int) {
        state = State(maximumBytes: maximumBytes)
    }

    /// The live entry of a key, counted as hit or miss unless a caller looks a second time.
    @inline(__always)
    func entry(_ hash: Hash128, now: Timestamp, isCounted: Bool = true) -> MemoryEntry? {
        guard let lane = lanes.enter() else { return entryAlone(hash, now, isCounted) }
        guard let slot = state.slot(hash) else {
            lanes.leave(lane, isCounted ? .miss : .uncounted)
            return nil
        }
        guard state.slots[slot].expiresAt > now else {
            lanes.leave(lane, .uncounted)
            return entryAlone(hash, now, isCounted)
        }
        guard state.slots[slot].staleAt > now, state.slots[slot].epoch == state.epoch else {
            lanes.leave(lane, isCounted ? .miss : .uncounted)
            return nil
        }
        state.order.touched(slot)
        let entry = state.slots[slot].entry(forms: state.forms)
        lanes.leave(lane, isCounted ? .hit : .uncounted)
        return entry
    }

    /// The same, alone: where a writer was inside, or the entry has to go because it expired.
    @inline(never)
    private func entryAlone(_ hash: Hash128, _ now: Timestamp, _ isCounted: Bool) -> MemoryEntry? {
        change { state in
            var found: MemoryEntry?
            if let slot = state.slot(hash) {
                if state.slots[slot].expiresAt <= now {
                    state.drop(slot)
                    state.expirations += 1
                } else if state.slots[slot].staleAt > now, state.slots[slot].epoch == state.epoch {
                    state.order.touched(slot)
                    found = state.slots[slot].entry(forms: state.forms)
                }
            }
            if isCounted { lanes.count(found == nil ? .miss : .hit) }
            return found
        }
    }

    /// Taken before a lower tier is read or the remote is written.
    func ticket(_ hash: Hash128) -> Ticket {
        look { $0.stripes[State.stripe(hash)].generation }
    }

    /// Keeps what a lower tier held, unless the outcome of a write became known meanwhile or something newer is here.
    ///
    /// - Parameters:
    ///   - now: From when it is known, where nobody knows when it was written.
    ///   - former: What may give way all the same: the outcomes were those of other keys.
    func fill(
        _ hash: Hash128, with entry: MemoryEntry, ticket: Ticket, at now: Timestamp,
        inPlaceOf former: MemoryEntry? = nil
    ) {
        change { state in
            let isAlone = state.stripes[State.stripe(hash)].generation == ticket
            guard isAlone || former.map({ state.holds($0, hash) }) ?? false else { return }
            var entry = entry
            if !entry.isWriteTimeKnown { state.date(&entry, hash, at: now) }
            state.put(hash, entry)
        }
    }

    /// Keeps a write that the local store has committed; earlier reads may no longer fill.
    ///
    /// Two commits may arrive here in the other order. A delete leaves nothing to compare with, nor does an entry that was
    /// evicted, so the stripe remembers the highest sequence it has seen: a commit below it is not kept, whichever of its
    /// keys that sequence belonged to.
    func put(_ hash: Hash128, _ entry: MemoryEntry) {
        change { state in
            if state.stripes[State.stripe(hash)].note(entry.sequence) {
                state.put(hash, entry)
            } else {
                state.remove(hash, below: entry.sequence)
            }
        }
    }

    /// Ends a write that no sequence orders: keeps the entry (drops the key for `nil`) if no other write of the stripe ended
    /// since `ticket`, else drops the key, because who came last can't be told.
    ///
    /// Gives the ticket under which the same caller ends its next write of the stripe.
    func end(_ hash: Hash128, _ entry: MemoryEntry?, ticket: Ticket) -> Ticket {
        change { state in
            let stripe = State.stripe(hash)
            let isAlone = state.stripes[stripe].generation == ticket
            state.stripes[stripe].generation &+= 1
            if isAlone, let entry {
                state.put(hash, entry)
            } else {
                state.remove(hash, below: nil)
            }
            return isAlone ? state.stripes[stripe].generation : ticket
        }
    }

    /// Drops a key if what is held is older than `sequence`; earlier reads may no longer fill.
    func invalidate(_ hash: Hash128, below sequence: ChangeSequence) {
        change { state in
            _ = state.stripes[State.stripe(hash)].note(sequence)
            state.remove(hash, below: sequence)
        }
    }

    /// Drops a key, whatever is held; earlier reads may no longer fill.
    func remove(_ hash: Hash128) {
        change { state in
            state.stripes[State.stripe(hash)].generation &+= 1
            state.remove(hash, below: nil)
        }
    }

    /// Takes in that somebody changed a key in the remote, or that its life ended there, which sounds alike. Earlier reads may no longer
    /// fill.
    ///
    /// A life ends once: an entry past its own is kept, and doubted until the remote was asked. What is heard after that is a change.
    func hear(of hash: Hash128, at now: Timestamp) {
        change { state in
            state.stripes[State.stripe(hash)].generation &+= 1
            guard let slot = state.slot(hash) else { return }
            if state.slots[slot].isPastItsLife(at: now), !state.slots[slot].isDoubted {
                state.slots.doubt(slot, true, at: now)
            } else {
                state.drop(slot)
            }
        }
    }

    /// Drops an entry, unless another one has taken its place.
    func drop(_ hash: Hash128, _ entry: MemoryEntry) {
        change { state in
            if state.holds(entry, hash) { state.remove(hash, below: nil) }
        }
    }

    /// Holds everything back until it was read from a lower tier once; earlier reads may no longer fill.
    func unverifyAll() {
        change { $0.unverifyAll() }
    }

    /// The live entry of a key, also an unverified one; not counted.
    func unverifiedEntry(_ hash: Hash128, now: Timestamp) -> MemoryEntry? {
        look { state in
            guard let slot = state.slot(hash), state.slots[slot].staleAt > now else { return nil }
            return state.slots[slot].entry(forms: state.forms)
        }
    }

    /// An entry whose life has ended, while it is kept; not counted.
    ///
    /// - Parameter isSure: Whether it has to be one of which the remote can have nothing that is not known here.
    func staleEntry(_ hash: Hash128, now: Timestamp, isSure: Bool = false) -> MemoryEntry? {
        look { state in
            guard let slot = state.slot(hash), state.slots[slot].staleAt <= now, state.slots[slot].expiresAt > now
            else { return nil }
            if isSure, state.slots[slot].isDoubted || state.slots[slot].epoch != state.epoch { return nil }
            return state.slots[slot].entry(forms: state.forms)
        }
    }

    /// Lets the life of what is held end at another time; `false` if another entry has taken its place.
    func renew(
        _ hash: Hash128, _ entry: MemoryEntry, at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp
    ) -> Bool {
        change { state in
            guard let slot = state.slot(hash) else { return true }
            guard state.holds(entry, in: slot) else { return false }
            // Something was heard meanwhile, and what stands in the remote may be another value.
            guard !state.slots[slot].isDoubted else {
                state.drop(slot)
                return true
            }
            state.slots.renew(slot, at: now, staleAt: staleAt, expiresAt: expiresAt)
            return true
        }
    }

    /// Takes in that a lower tier has nothing: drops an unverified key, and no longer doubts one whose life has ended, unless the
    /// outcome of a write became known since `ticket`.
    func absentBelow(_ hash: Hash128, ticket: Ticket, at now: Timestamp) {
        change { state in
            guard let slot = state.slot(hash) else { return }
            // What came after the gap is verified, so no write can be lost by this.
            if state.slots[slot].epoch != state.epoch {
                state.drop(slot)
            } else if state.stripes[State.stripe(hash)].generation == ticket {
                state.slots.doubt(slot, false, at: now)
            }
        }
    }

    /// Drops a key, unless the outcome of a write became known since `ticket`.
    func drop(_ hash: Hash128, ticket: Ticket) {
        change { state in
            guard state.stripes[State.stripe(hash)].generation == ticket else { return }
            state.remove(hash, below: nil)
        }
    }

    /// Drops everything; earlier reads may no longer fill.
    func removeAll() {
        change { state in
            state.expireTickets()
            state.removeAll()
        }
    }

    /// Drops everything and keeps nothing from now on.
    func close() {
        change { state in
            state.removeAll()
            state.isClosed = true
        }
    }

    var statistics: MemoryStatistics {
        let (hits, misses) = lanes.counts
        return look { state in
            MemoryStatistics(
                entries: state.table.count, bytes: state.bytes, hits: hits, misses: misses, evictions: state.evictions,
                expirations: state.expirations)
        }
    }

    static func stripe(_ hash: Hash128) -> Int { State.stripe(hash) }

    static var stripeCount: Int { State.stripeCount }

    /// Runs a body that only reads.
    private func look<Result>(_ body: (borrowing MemoryShardState<Order>) -> Result) -> Result {
        guard let lane = lanes.enter() else { return lanes.withWriting { body(state) } }
        defer { lanes.leave(lane, .uncounted) }
        return body(state)
    }

    /// Runs a body alone.
    private func change<Result>(_ body: (inout MemoryShardState<Order>) -> Result) -> Result {
        lanes.withWriting { body(&state) }
    }
}
