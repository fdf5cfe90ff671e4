import CacheKit
import CacheKitTesting

/// Runs tasks on the caller's thread, in an order drawn from a seed, and moves time on when nobody has anything to do.
///
/// Unchecked: everything of a simulation runs on the one thread that calls ``run(until:)``, so nothing here is ever shared.
final class VirtualTime: TaskExecutor, @unchecked Sendable {
    private struct Timer {
        let at: Int64
        let order: UInt64
        let fire: () -> Void
    }

    private var ready: [UnownedJob] = []
    private var timers: [UInt64: Timer] = [:]
    /// A heap of the timers by time, then order.
    private var heap: [(at: Int64, order: UInt64)] = []
    private var nextOrder: UInt64 = 0
    private var random: SeededRandom
    /// Milliseconds since the simulation began.
    private(set) var milliseconds: Int64 = 0
    /// Jobs run so far: tells a simulation that spins from one that waits.
    private(set) var jobs = 0

    /// Time that stands at zero.
    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    /// Takes a job in.
    func enqueue(_ job: consuming ExecutorJob) { ready.append(UnownedJob(job)) }

    /// Starts a task here.
    @discardableResult
    func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        Task(executorPreference: self) { await body() }
    }

    /// Calls `fire` after so many milliseconds.
    @discardableResult
    func after(_ delay: Int64, _ fire: @escaping () -> Void) -> UInt64 {
        nextOrder += 1
        let timer = Timer(at: milliseconds + max(0, delay), order: nextOrder, fire: fire)
        timers[nextOrder] = timer
        push((timer.at, timer.order))
        return nextOrder
    }

    private func cancel(_ order: UInt64) { timers[order] = nil }

    /// Runs everything that happens before a moment; `false` if it spins without time moving on.
    func run(until end: Int64) -> Bool {
        while true {
            var spins = 0
            while !ready.isEmpty {
                let index = Int(random.next() % UInt64(ready.count))
                ready.swapAt(index, ready.count - 1)
                let job = ready.removeLast()
                job.runSynchronously(on: asUnownedTaskExecutor())
                jobs += 1
                spins += 1
                if spins > 200_000 { return false }
            }
            guard let next = heap.first, next.at <= end else {
                milliseconds = max(milliseconds, end)
                return true
            }
            pop()
            guard let timer = timers.removeValue(forKey: next.order) else { continue }
            milliseconds = max(milliseconds, timer.at)
            timer.fire()
        }
    }

    /// Waits in virtual time; at least one millisecond, so that nothing can wait in vain for ever.
    func sleep(for duration: Duration) async throws {
        let delay = max(1, duration.wholeMilliseconds)
        let place = Place()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                place.continuation = continuation
                place.timer = after(delay) { place.take()?.resume() }
            }
        } onCancel: {
            if let timer = place.timer { cancel(timer) }
            place.take()?.resume(throwing: CancellationError())
        }
    }

    /// Unchecked: see the executor.
    private final class Place: @unchecked Sendable {
        var continuation: CheckedContinuation<Void, any Error>?
        var timer: UInt64?

        func take() -> CheckedContinuation<Void, any Error>? {
            defer { continuation = nil }
            return continuation
        }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heap[left].at, heap[left].order) < (heap[right].at, heap[right].order)
    }

    private func push(_ element: (at: Int64, order: UInt64)) {
        heap.append(element)
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

/// The clock of one machine: virtual time and what it is wrong by.
///
/// Unchecked: see ``VirtualTime``.
final class MachineClock: CacheClock, @unchecked Sendable {
    /// What the world's clock says when a simulation begins: 2026-01-01T00:00:00Z.
    static let start: Int64 = 1_767_225_600_000

    private let time: VirtualTime
    /// By how much this machine is wrong.
    var skew: Duration

    init(_ time: VirtualTime, skew: Duration = .zero) {
        self.time = time
        self.skew = skew
    }

    /// Wall time, wrong as it is.
    func now() -> Timestamp {
        Timestamp(milliseconds: Self.start + time.milliseconds).advanced(by: skew)
    }

    /// Virtual time.
    func uptime() -> Duration { .milliseconds(time.milliseconds) }

    /// Waits in virtual time.
    func sleep(for duration: Duration) async throws { try await time.sleep(for: duration) }
}
