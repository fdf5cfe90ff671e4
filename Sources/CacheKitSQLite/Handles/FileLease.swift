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

/// The pusher's lease: a lock on `<path>-lease` that the system releases when its holder dies (flock(2)).
///
/// flock, not fcntl: its locks belong to the open file, so two stores of one process exclude each other too, and closing
/// another descriptor of the file gives nothing away.
final class FileLease: PusherLease {
    private let descriptor: Mutex<Int32?>

    private init(_ descriptor: Int32) {
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    /// Makes the file that is locked, if there is none.
    static func create(_ path: String) throws(CacheError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "making the lease file") }
        close(descriptor)
    }

    /// Takes the lease without waiting; `nil` if another has it.
    static func acquire(_ path: String) throws(CacheError) -> FileLease? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "opening the lease file") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            close(descriptor)
            if number == EWOULDBLOCK { return nil }
            throw CacheError(errno: number, "locking the lease file")
        }
        return FileLease(descriptor)
    }

    /// Whether anybody has it.
    ///
    /// A shared lock, for the moment of asking: those who ask do not find each other, and a pusher that meets one comes again.
    static func isHeld(_ path: String) throws(CacheError) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return false }
            throw CacheError(errno: errno, "opening the lease file")
        }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return false }
        guard errno == EWOULDBLOCK else { throw CacheError(errno: errno, "asking for the lease") }
        return true
    }

    func release() {
        descriptor.withLock { descriptor in
            if let open = descriptor { close(open) }
            descriptor = nil
        }
    }
}
