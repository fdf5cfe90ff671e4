import Foundation
import Synchronization

/// Threads that wait for work, so that a timed slice does not include their start.
final class ThreadPair: Sendable {
    private struct Work: Sendable {
        var body: @Sendable (_ thread: Int, _ count: Int) -> Void
        var count: Int
    }

    private let work = Mutex<Work?>(nil)
    private let starts = [DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)]
    private let ends = DispatchSemaphore(value: 0)

    init() {
        for number in 0..<2 {
            Thread.detachNewThread { [self] in
                while true {
                    starts[number].wait()
                    guard let work = work.withLock(\.self) else { return }
                    work.body(number, work.count)
                    ends.signal()
                }
            }
        }
    }

    /// Has one or both threads run a body and tells how long it took until the last ended.
    func run(threads: Int, count: Int, _ body: @escaping @Sendable (_ thread: Int, _ count: Int) -> Void) -> Duration {
        work.withLock { $0 = Work(body: body, count: count) }
        let clock = ContinuousClock()
        let start = clock.now
        for number in 0..<threads { starts[number].signal() }
        for _ in 0..<threads { ends.wait() }
        return start.duration(to: clock.now)
    }

    func finish() {
        work.withLock { $0 = nil }
        for start in starts { start.signal() }
    }
}
