import Foundation
import Synchronization
import UnixSignals

/// Work that goes on page by page, its progress drawn on a terminal. The first Ctrl-C ends it after the page in flight, the
/// second one at once.
final class PagedWork: Sendable {
    private struct State {
        var progress: Progress?
        var cancel: (@Sendable () -> Void)?
        var isStopping = false
    }

    private let state = Mutex(State())

    /// Draws from now on the progress of this; `total` where it is known.
    func begin(_ label: String, total: Int?) {
        state.withLock { $0.progress = Progress(label, total: total) }
    }

    /// A page is done. The task is cancelled here and nowhere else: on the way to Redis nobody could say what was done.
    func passed(_ count: Int, done: Int) {
        let cancel = state.withLock { state in
            state.progress?.update(count, done: done)
            return state.isStopping ? state.cancel : nil
        }
        cancel?()
    }

    /// Whether somebody wants it to end.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Does the work, which tells of its pages.
    func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let work = Task { try await body() }
        state.withLock { $0.cancel = { work.cancel() } }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let listening = Task {
            for await _ in signals where stop() {
                end()
                Foundation.exit(ExitStatus.partial.rawValue)
            }
        }
        defer {
            listening.cancel()
            end()
        }
        return try await work.value
    }

    /// Says whether that was wanted already.
    private func stop() -> Bool {
        state.withLock { state in
            defer { state.isStopping = true }
            return state.isStopping
        }
    }

    private func end() { state.withLock { $0.progress?.end() } }
}
