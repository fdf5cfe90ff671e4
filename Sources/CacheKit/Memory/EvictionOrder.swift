/// Decides which slot of a full memory shard goes next.
///
/// The seam between table and policy: a shard tells what happens to its slots, by number, and asks for a victim. Calls come
/// under the shard's lock; all are O(1), `victim` amortised.
protocol EvictionOrder: Sendable {
    init()
    /// An entry came into a slot that was empty.
    mutating func inserted(_ slot: Int)
    /// The entry in a slot was read or replaced.
    mutating func touched(_ slot: Int)
    /// The entry in a slot is gone.
    mutating func removed(_ slot: Int)
    /// The slot to evict next; `nil` when none is held. The caller then removes it.
    mutating func victim() -> Int?
}
