#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Waiting on descriptors, by `poll(2)`: one connection has two, so nothing is gained by more than that.
enum Poll {
    enum Direction {
        case reading
        case writing
    }

    /// Waits for one descriptor; `false` when the deadline came first.
    static func wait(_ descriptor: CInt, for direction: Direction, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            var entry = pollfd(
                fd: descriptor, events: Int16(direction == .reading ? POLLIN : POLLOUT), revents: 0)
            let count = poll(&entry, 1, milliseconds(until: deadline))
            // An error or hang-up counts as ready: the next call on the descriptor tells which.
            if count > 0 { return true }
            if count == 0, ContinuousClock.now >= deadline { return false }
            if count < 0, errno != EINTR { return true }
        }
    }

    #if os(Linux)
        /// Whether the end of a connection is noticed without waiting for bytes.
        static let noticesHangUp = true
        private static let hangUp: CInt = 0x2000  // POLLRDHUP; Glibc shows it to GNU sources only.
    #else
        static let noticesHangUp = false
        private static let hangUp: CInt = 0
    #endif

    /// Waits for the stream or the wakeup; says whether the stream is ready. Returns early after a signal.
    static func wait(
        stream: CInt, reading: Bool = true, writing: Bool, wakeup: CInt, until deadline: ContinuousClock.Instant?
    ) -> (isReadable: Bool, isWritable: Bool, isWoken: Bool) {
        let events = (reading ? CInt(POLLIN) : hangUp) | (writing ? CInt(POLLOUT) : 0)
        var entries = [
            pollfd(fd: stream, events: Int16(events), revents: 0),
            pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, 2, deadline.map { milliseconds(until: $0) } ?? -1) > 0 else {
            return (false, false, false)
        }
        let failed = Int16(CInt(POLLERR | POLLHUP | POLLNVAL) | hangUp)
        return (
            entries[0].revents & (Int16(POLLIN) | failed) != 0, entries[0].revents & Int16(POLLOUT) != 0,
            entries[1].revents != 0
        )
    }

    /// Does nothing until then. Blocks: for I/O threads only.
    static func sleep(until deadline: ContinuousClock.Instant) {
        while deadline > .now { _ = poll(nil, 0, milliseconds(until: deadline)) }
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant) -> CInt {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { return 0 }
        // Rounded up: waking just before the deadline would spin.
        let (seconds, attoseconds) = left.components
        return CInt(min(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1, 1_000_000))
    }
}

/// Wakes a thread out of `poll`: a pipe that holds at most a few bytes.
final class Wakeup: Sendable {
    /// The end to wait on.
    let descriptor: CInt
    private let writeEnd: CInt

    /// `nil` when the process is out of descriptors.
    init?() {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Wakes the thread; harmless when it is awake. A full pipe means that it will wake anyway.
    func wake() {
        var byte: UInt8 = 0
        _ = write(writeEnd, &byte, 1)
    }

    /// Takes what was written.
    func drain() {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) == buffer.count {}
        }
    }
}
