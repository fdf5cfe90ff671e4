/// The numbered slots of a shard: an array whose elements begin where lines of the processor's cache do.
///
/// A slot has 64 bytes, so a hit waits for one line instead of two. Several readers may look at once while nobody changes it.
struct MemorySlots: ~Copyable, Sendable {
    // Not an array: its elements begin 32 bytes into an allocation that is aligned to 16. Every access checks the index; freed
    // in `deinit`, replaced only while the shard keeps readers out.
    private nonisolated(unsafe) var slots: UnsafeMutablePointer<MemorySlot>
    private var capacity = 0
    private(set) var count = 0

    init() {
        slots = Self.allocate(0)
    }

    deinit {
        slots.deinitialize(count: count)
        UnsafeMutableRawPointer(slots).deallocate()
    }

    subscript(slot: Int) -> MemorySlot {
        @inline(__always)
        _read {
            precondition(slot >= 0 && slot < count, "a slot is numbered below the count")
            yield slots[slot]
        }
    }

    /// Fills a slot: one that there is, or the next.
    mutating func set(_ slot: Int, to filled: MemorySlot) {
        if slot < count {
            precondition(slot >= 0, "a slot is numbered from 0")
            slots[slot] = filled
        } else {
            precondition(slot == count, "slots are numbered densely")
            if count == capacity { grow() }
            (slots + count).initialize(to: filled)
            count += 1
        }
    }

    /// Lets the life of what a slot holds end at another time.
    mutating func renew(_ slot: Int, at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp) {
        precondition(slot >= 0 && slot < count, "a slot is numbered below the count")
        slots[slot].renew(at: now, staleAt: staleAt, expiresAt: expiresAt)
    }

    /// Sets or takes away the doubt in what a slot holds.
    mutating func doubt(_ slot: Int, _ isDoubted: Bool, at now: Timestamp) {
        precondition(slot >= 0 && slot < count, "a slot is numbered below the count")
        if isDoubted { slots[slot].doubt(at: now) } else { slots[slot].isDoubted = false }
    }

    /// Lets go of a slot's bytes.
    mutating func clear(_ slot: Int) {
        precondition(slot >= 0 && slot < count, "a slot is numbered below the count")
        slots[slot].clear()
    }

    private mutating func grow() {
        capacity = max(16, capacity * 2)
        let grown = Self.allocate(capacity)
        grown.moveInitialize(from: slots, count: count)
        UnsafeMutableRawPointer(slots).deallocate()
        slots = grown
    }

    private static func allocate(_ count: Int) -> UnsafeMutablePointer<MemorySlot> {
        UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<MemorySlot>.stride, alignment: 64)
            .bindMemory(to: MemorySlot.self, capacity: count)
    }
}
