import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A lock under which readers do not wait for each other, nor write to memory that another thread's readers write to.
///
/// A lane is a word in a line of its own. A reader takes a free lane, that of its thread before others, looks whether
/// someone writes, reads, and frees the lane. A writer waits for other writers, says that it writes, and waits until all
/// lanes are free; a reader who comes then waits for the writer. Both sides announce themselves before they look at each
/// other, sequentially consistent, so at least one of them sees the other: the "big reader" lock of older Linux kernels,
/// with the announcing of Dekker's algorithm. Of the two steps of a reader only the first is an atomic exchange.
///
/// Reads take some tens of nanoseconds and call nothing that waits, so a writer's wait is short unless the system stops a
/// reader inside; then it yields the processor.
struct ReaderLanes: ~Copyable, Sendable {
    /// What a read found, for the counts.
    enum Outcome { case hit, miss, uncounted }

    /// 128 bytes, so that no two lanes share a line, nor a pair of lines that processors fetch together.
    private struct Lane: ~Copyable {
        let isTaken = Atomic(false)
        /// Changed by whoever has the lane, so without atomic steps.
        let hits = Atomic(0)
        let misses = Atomic(0)
        private let padding: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
        private let morePadding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)

        @inline(__always)
        func count(_ outcome: Outcome) {
            switch outcome {
            case .hit: hits.store(hits.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
            case .miss: misses.store(misses.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
            case .uncounted: break
            }
        }
    }

    // Not an array: atomics can't be copied. Allocated once, freed in `deinit`.
    private nonisolated(unsafe) let lanes: UnsafeMutablePointer<Lane>
    private let mask: Int
    private let isWriting = Atomic(false)
    private let writers = Mutex(())

    init() {
        var count = 1
        while count < min(4 * Self.processors, 16) { count *= 2 }
        lanes = .allocate(capacity: count)
        for index in 0..<count { (lanes + index).initialize(to: Lane()) }
        mask = count - 1
    }

    deinit {
        lanes.deinitialize(count: mask + 1)
        lanes.deallocate()
    }

    /// Enters as a reader and gives the lane to leave by; `nil` if someone writes, or if every lane is taken.
    @inline(__always)
    func enter() -> Int? {
        var lane = lane
        if !take(lane) {
            guard let other = takeAnother(than: lane) else { return nil }
            lane = other
        }
        if !isWriting.load(ordering: .sequentiallyConsistent) { return lane }
        lanes[lane].isTaken.store(false, ordering: .releasing)
        return nil
    }

    @inline(__always)
    func leave(_ lane: Int, _ outcome: Outcome) {
        lanes[lane].count(outcome)
        lanes[lane].isTaken.store(false, ordering: .releasing)
    }

    /// Counts a read that is made while writing.
    func count(_ outcome: Outcome) { lanes[0].count(outcome) }

    var counts: (hits: Int, misses: Int) {
        (0...mask).reduce(into: (0, 0)) { counts, lane in
            counts.0 += lanes[lane].hits.load(ordering: .relaxed)
            counts.1 += lanes[lane].misses.load(ordering: .relaxed)
        }
    }

    /// Runs a body alone: no reader is inside, no other writer either.
    func withWriting<Result>(_ body: () -> Result) -> Result {
        writers.withLock { _ in
            isWriting.store(true, ordering: .sequentiallyConsistent)
            for lane in 0...mask { waitUntilFree(lane) }
            defer { isWriting.store(false, ordering: .sequentiallyConsistent) }
            return body()
        }
    }

    @inline(__always)
    private func take(_ lane: Int) -> Bool {
        lanes[lane].isTaken.compareExchange(expected: false, desired: true, ordering: .sequentiallyConsistent).exchanged
    }

    @inline(never)
    private func takeAnother(than lane: Int) -> Int? {
        for step in 1..<(mask + 1) where take((lane + step) & mask) { return (lane + step) & mask }
        return nil
    }

    private func waitUntilFree(_ lane: Int) {
        var looks = 0
        while lanes[lane].isTaken.load(ordering: .sequentiallyConsistent) {
            looks += 1
            if looks > 200 { sched_yield() }
        }
    }

    private static let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    /// The lane of this thread. Threads' descriptors lie at even distances, which this hash (Fibonacci's) spreads well.
    @inline(__always)
    private var lane: Int {
        #if canImport(Glibc)
            let thread = UInt(pthread_self())
        #else
            let thread = UInt(bitPattern: pthread_self())
        #endif
        return Int(truncatingIfNeeded: ((thread >> 8) &* 0x9E37_79B9_7F4A_7C15) >> 48) & mask
    }
}
