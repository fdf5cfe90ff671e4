import CacheKitCore
import Synchronization

/// Tells a load that its key was written since it began: what it gives may be older.
///
/// Knows the keys that somebody loads, waits for or writes, and no others: bounded by these callers.
final class WriteMarks: Sendable {
    private struct Watched {
        var watchers = 0
        var writers = 0
        var mark: UInt32 = 0
        var isFree: Bool { watchers == 0 && writers == 0 }
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
                keys[hash]?.watchers -= 1
                if keys[hash]?.isFree == true { keys[hash] = nil }
            }
        }
    }

    /// Keys are about to be written: until as many calls of ``endWriting(_:)`` nothing that was loaded takes their place.
    func beginWriting(_ hashes: some Sequence<Hash128>) {
        keys.withLock { keys in
            for hash in hashes {
                keys[hash, default: Watched()].writers += 1
                keys[hash]?.mark &+= 1
            }
        }
    }

    func endWriting(_ hashes: some Sequence<Hash128>) {
        keys.withLock { keys in
            for hash in hashes {
                // Who has begun to load meanwhile may have read what was there before.
                keys[hash]?.mark &+= 1
                keys[hash]?.writers -= 1
                if keys[hash]?.isFree == true { keys[hash] = nil }
            }
        }
    }

    /// Any key may have been written.
    func noteAll() {
        keys.withLock { keys in for hash in keys.keys { keys[hash]?.mark &+= 1 } }
    }

    /// Changes with each write of a key that is watched.
    func mark(of hash: Hash128) -> UInt32 { keys.withLock { $0[hash]?.mark ?? 0 } }

    /// Whether a key that is watched was not written since it had that mark, and is not being written.
    func stands(_ hash: Hash128, _ mark: UInt32) -> Bool {
        keys.withLock { keys in
            let watched = keys[hash] ?? Watched()
            return watched.mark == mark && watched.writers == 0
        }
    }
}
