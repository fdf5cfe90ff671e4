#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// How a connection waits for a lock that another one has: short sleeps of random length, up to a deadline.
///
/// SQLite's own waiting doubles its sleeps up to 100 ms (sqliteDefaultBusyCallback), so that who has waited long asks seldom and loses
/// to those who have just come; a writer among four busy ones can starve. Here everyone asks about as often, whatever the wait so far.
/// Random, so that two who were refused together do not ask together for ever.
struct BusyWait {
    private static let shortest: UInt32 = 100
    private static let longest: UInt32 = 1000

    private let timeout: Duration
    private var deadline = ContinuousClock.now

    init(timeout: Duration) {
        self.timeout = timeout
    }

    /// Sleeps a little, in microseconds; `false` once the wait is over.
    mutating func wait(isFirst: Bool) -> Bool {
        let now = ContinuousClock.now
        if isFirst { deadline = now + timeout }
        guard now < deadline else { return false }
        // SQLite calls this on the thread that writes or scans, never on a task's: readers do not wait for locks.
        usleep(UInt32.random(in: Self.shortest...Self.longest))
        return true
    }
}
