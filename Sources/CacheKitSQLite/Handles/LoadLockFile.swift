internal import CacheKit
internal import CacheKitCore
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Locks of loads: one byte each of `<path>-load`, a file that stays empty (open file description locks, fcntl(2)).
///
/// A key's byte is the one at its row's id, 63 bits of a keyed hash, so that neither the file nor the list of the system's locks
/// names a key, and any number of keys needs one file. The locks belong to the open file and not, as those of POSIX, to
/// the process: two stores in one process exclude each other, and the system frees all when the last descriptor is closed,
/// however the process ends (docs/decisions/0036).
final class LoadLockFile: Sendable {
    private struct State {
        var descriptor: Int32?
        /// To one that holds a byte the system would give it again.
        var held: Set<Int64> = []
        var isClosed = false
    }

    private final class Lock: LoadLock {
        private let file: LoadLockFile
        private let position: Int64
        private let isHeld = Mutex(true)

        init(_ file: LoadLockFile, _ position: Int64) {
            self.file = file
            self.position = position
        }

        deinit { release() }

        func release() {
            isHeld.withLock { isHeld in
                if isHeld { file.unlock(position) }
                isHeld = false
            }
        }
    }

    /// The system walks a file's locks one by one for each that is asked for.
    private static let maximumCount = 4096
    #if os(Linux)
        // Glibc shows it only under _GNU_SOURCE, which Swift does not set.
        private static let setLock: Int32 = 37
    #else
        private static let setLock = F_OFD_SETLK
    #endif

    private let path: String
    private let state = Mutex(State())

    init(_ path: String) {
        self.path = path
    }

    deinit { end() }

    /// Locks a byte without waiting; `nil` if another has it. Makes the file when the first lock is asked for.
    func tryLock(_ position: Int64) throws(CacheError) -> (any LoadLock)? {
        let isTaken = try state.withLock { state throws(CacheError) in
            guard !state.isClosed else { throw ReadPool.closed }
            guard !state.held.contains(position) else { return false }
            guard state.held.count < Self.maximumCount else { throw Self.full }
            if state.descriptor == nil { state.descriptor = try opened() }
            guard let descriptor = state.descriptor else { return false }
            guard Self.set(F_WRLCK, position, descriptor) == 0 else {
                let number = errno
                if number == EAGAIN || number == EACCES { return false }
                throw CacheError(errno: number, "locking a load")
            }
            state.held.insert(position)
            return true
        }
        return isTaken ? Lock(self, position) : nil
    }

    private func unlock(_ position: Int64) {
        state.withLock { state in
            // After closing, nothing is held.
            guard state.held.remove(position) != nil, let descriptor = state.descriptor else { return }
            _ = Self.set(F_UNLCK, position, descriptor)
        }
    }

    private func opened() throws(CacheError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "opening the file of load locks") }
        return descriptor
    }

    private static func set(_ kind: Int32, _ position: Int64, _ descriptor: Int32) -> Int32 {
        // The last byte that a lock can have is that before the largest offset.
        var lock = flock()
        lock.l_type = Int16(kind)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(min(position, .max - 1))
        lock.l_len = 1
        return withUnsafeMutablePointer(to: &lock) { fcntl(descriptor, setLock, $0) }
    }

    private static var full: CacheError {
        CacheError(
            .storeBusy, "this process loads \(maximumCount) keys at once, and further ones without a lock; load fewer")
    }

    /// Gives every lock back.
    func end() {
        state.withLock { state in
            if let descriptor = state.descriptor { close(descriptor) }
            state = State(isClosed: true)
        }
    }
}
