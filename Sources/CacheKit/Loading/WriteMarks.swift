import CacheKitCore
import Synchronization

/// Tells a load that its key was written since it began: what it gives may be older.
///
/// Knows the keys for which somebody loads or waits, and no others: bounded by these callers.
final class WriteMarks: Sendable {
    private struct Watched {
        var watchers = 0
        var mark: UInt32 = 0
    }

    private let keys = Mutex<[Hash128: Watched]>([:])

    /// How many keys are watched.
    var count: Int { keys.withLock(\.count) }

    /// From now on each write of these keys changes their marks, until as many calls of ``unwatch(_:)``.
    func watch(_ hashes: some Sequence<Hash128>) {
        keys.withLock { keys in for hash in hashes { keys[hash, default: Watched()].watchers += 1 } }
    }

    func unwatch(_ hashes: some Sequence<Hash128>) {
        keys.withLock { keys in
            for hash in hashes {
                guard let watched = keys[hash] else { continue }
                if watched.watchers > 1 { keys[hash]?.watchers -= 1 } else { keys[hash] = nil }
            }
        }
    }

    /// Keys are about to be written, or were.
    func note(_ hashes: some Sequence<Hash128>) {
        keys.withLock { keys in
            guard !keys.isEmpty else { return }
            for hash in hashes { keys[hash]?.mark &+= 1 }
        }
    }

    /// Any key may have been written.
    func noteAll() {
        keys.withLock { keys in for hash in keys.keys { keys[hash]?.mark &+= 1 } }
    }

    /// Changes with each write of a key that is watched.
    func mark(of hash: Hash128) -> UInt32 { keys.withLock { $0[hash]?.mark ?? 0 } }
}
