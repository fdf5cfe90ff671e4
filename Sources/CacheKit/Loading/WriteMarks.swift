import CacheKitCore
import Synchronization

/// Counts the writes of keys, so that a load can tell that its key was written since it began: what it gives may be older.
///
/// Keys share counts, one of 16,384: a write of another key then keeps a loaded value from being stored, which costs a load. 64 KiB.
final class WriteMarks: Sendable {
    private static let bits = 14
    private let counts = Mutex([UInt32](repeating: 0, count: 1 << bits))

    /// Keys are about to be written, or were.
    func note(_ hashes: some Sequence<Hash128>) {
        counts.withLock { counts in for hash in hashes { counts[Self.place(hash)] &+= 1 } }
    }

    /// Any key may have been written.
    func noteAll() {
        counts.withLock { counts in for place in counts.indices { counts[place] &+= 1 } }
    }

    /// Changes with each write of the key.
    func mark(of hash: Hash128) -> UInt32 { counts.withLock { $0[Self.place(hash)] } }

    private static func place(_ hash: Hash128) -> Int { Int(truncatingIfNeeded: hash.high >> 20) & (1 << bits - 1) }
}
