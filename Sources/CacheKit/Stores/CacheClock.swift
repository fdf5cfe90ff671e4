#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where the cache takes its time from: wall time for expiry, a wait that time drives.
public protocol CacheClock: Sendable {
    /// The current wall time; may jump.
    func now() -> Timestamp
    /// Time since some fixed moment, sleep of the machine included; never jumps.
    func uptime() -> Duration
    /// Waits, or throws `CancellationError` when the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The operating system's clock.
public struct SystemClock: CacheClock {
    /// The operating system's clock.
    public init() {}

    /// The wall time, to the kernel tick (1 to 4 ms) on Linux.
    public func now() -> Timestamp {
        var time = timespec()
        // The coarse clock costs 8 ns instead of 35, and expiry needs no better.
        #if os(Linux)
            clock_gettime(CLOCK_REALTIME_COARSE, &time)
        #else
            clock_gettime(CLOCK_REALTIME, &time)
        #endif
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Time since the machine started.
    public func uptime() -> Duration {
        var time = timespec()
        #if os(Linux)
            clock_gettime(CLOCK_BOOTTIME, &time)
        #else
            clock_gettime(CLOCK_MONOTONIC, &time)
        #endif
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    /// Waits on the continuous clock.
    public func sleep(for duration: Duration) async throws {
        try await Task.sleep(for: duration)
    }
}

extension CacheClock where Self == SystemClock {
    /// The operating system's clock.
    public static var system: SystemClock { SystemClock() }
}
