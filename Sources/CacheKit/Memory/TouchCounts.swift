import Synchronization

/// How often each slot was read lately, up to a limit: a byte each, counted by several readers at once without waiting.
///
/// A count is read and written in two steps, so of two readers at the same moment one may go uncounted: nothing but the
/// order of eviction hangs on it, and a slot that is read that often is at the limit anyway, where nothing is written at all.
struct TouchCounts: ~Copyable, Sendable {
    static let limit: UInt8 = 2

    // Not an array: an `Atomic` can't be copied, so an array can't hold it. Freed in `deinit`; replaced only while the shard
    // keeps readers out.
    private nonisolated(unsafe) var counts: UnsafeMutablePointer<Atomic<UInt8>>
    private var capacity = 0

    init() {
        counts = .allocate(capacity: 0)
    }

    deinit {
        counts.deinitialize(count: capacity)
        counts.deallocate()
    }

    /// Counts a read; a slot must have been `set` before.
    @inline(__always)
    func touch(_ slot: Int) {
        let count = counts[slot].load(ordering: .relaxed)
        if count < Self.limit { counts[slot].store(count + 1, ordering: .relaxed) }
    }

    subscript(slot: Int) -> UInt8 { counts[slot].load(ordering: .relaxed) }

    /// Sets the count of a slot; slots are numbered densely.
    mutating func set(_ slot: Int, to count: UInt8) {
        if slot >= capacity { grow(toHold: slot) }
        counts[slot].store(count, ordering: .relaxed)
    }

    private mutating func grow(toHold slot: Int) {
        let larger = max(16, slot + 1, capacity * 2)
        let grown = UnsafeMutablePointer<Atomic<UInt8>>.allocate(capacity: larger)
        for index in 0..<larger { (grown + index).initialize(to: Atomic(index < capacity ? self[index] : 0)) }
        counts.deinitialize(count: capacity)
        counts.deallocate()
        counts = grown
        capacity = larger
    }
}
