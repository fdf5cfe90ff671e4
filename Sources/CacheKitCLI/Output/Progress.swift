import Foundation
import Synchronization

/// A line on the terminal that is drawn again in place, at most ten times a second; nothing on a pipe.
struct Progress {
    private let label: String
    /// In the unit that ``update(_:done:)`` reports; `nil` where it is not known.
    fileprivate(set) var total: Int?
    private let start: ContinuousClock.Instant
    private var drawn: ContinuousClock.Instant
    private let countBefore: Int
    private let doneBefore: Int
    private let isTerminal = StandardError.isTerminal

    /// `total` in the unit that ``update(_:done:)`` reports, where it is known: gives the time left. What was done before,
    /// by another process, took no time of this one.
    init(_ label: String, total: Int?, countBefore: Int = 0, doneBefore: Int = 0) {
        self.label = label
        self.total = total
        self.countBefore = countBefore
        self.doneBefore = doneBefore
        start = .now
        drawn = start
    }

    mutating func update(_ count: Int, done: Int) {
        guard isTerminal else { return }
        let now = ContinuousClock.now
        guard now - drawn >= .milliseconds(100) else { return }
        drawn = now
        let seconds = max((now - start) / .seconds(1), 0.001)
        var line = "\(label) \(count), \(Int(Double(count - countBefore) / seconds))/s"
        if let total, total > 0, done > doneBefore {
            let left = seconds * Double(max(total - done, 0)) / Double(done - doneBefore)
            line += ", \(done * 100 / total) %, \(Int(left.rounded(.up))) s left"
        }
        StandardError.drawProgress(line)
    }

    func end() {
        StandardError.clearProgress()
    }
}

/// The same line, drawn from another thread.
final class ProgressLine: Sendable {
    private let progress: Mutex<Progress>

    init(_ label: String) {
        progress = Mutex(Progress(label, total: nil))
    }

    func update(_ done: Int, total: Int) {
        progress.withLock { progress in
            progress.total = total
            progress.update(done, done: done)
        }
    }

    func end() { progress.withLock { $0.end() } }
}
