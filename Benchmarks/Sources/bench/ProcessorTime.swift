import Foundation

/// How long a body takes.
func wallTime(_ body: () async throws -> Void) async throws -> Duration {
    let clock = ContinuousClock()
    let start = clock.now
    try await body()
    return start.duration(to: clock.now)
}

/// The processor time that a body takes: of this whole process, all threads, in user and kernel mode.
func processorTime(_ body: () async throws -> Void) async throws -> Duration {
    let start = processorTime()
    try await body()
    return processorTime() - start
}

private func processorTime() -> Duration {
    var time = timespec()
    // The clock behind getrusage(RUSAGE_SELF), in nanoseconds.
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
