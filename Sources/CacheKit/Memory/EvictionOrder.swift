import CacheKitCore

/// Decides which slot of a full memory shard goes next, and what the ones that went say about those that come.
///
/// The seam between table and policy: a shard tells what happens to its slots, by number, with the hash of the key where it
/// matters after the slot is gone, and asks for victims. A newcomer is never its own victim: `expect` comes first, then
/// `victim` until there is room, then `inserted`. All calls but `touched` come under the shard's lock, alone; all are O(1),
/// `victim` amortised.
protocol EvictionOrder: ~Copyable, Sendable {
    /// For a shard of so many bytes.
    init(maximumBytes: Int)
    /// A key that is not held is about to come.
    mutating func expect(_ hash: Hash128, weight: Int, isFull: Bool)
    /// The entry that was expected came into a slot that was empty.
    mutating func inserted(_ slot: Int, weight: Int)
    /// The entry in a slot was read or replaced. Also from several threads at once, while no other call is under way.
    func touched(_ slot: Int)
    /// The entry in a slot is about to be replaced; it is no victim until `lowered`.
    mutating func lifted(_ slot: Int)
    /// The entry in a slot that was lifted has been replaced.
    mutating func lowered(_ slot: Int, weight: Int)
    /// The entry in a slot is gone: deleted or expired.
    mutating func removed(_ slot: Int)
    /// The entry in a slot is gone for space.
    mutating func evicted(_ slot: Int, _ hash: Hash128)
    /// The slot to evict next; `nil` when none is held. The caller then evicts it.
    mutating func victim() -> Int?
}
