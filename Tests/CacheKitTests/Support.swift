import CacheKit
import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Logging
import Synchronization
import Testing

/// Polls a condition, letting other tasks run in between; `false` if it does not come to hold in half a minute.
func eventually(_ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        await Task.yield()
    }
    return false
}

/// The code of the error that a body throws; `nil` if it throws none.
func code(_ body: () async throws -> Void) async -> CacheError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? CacheError)?.code
    }
}

/// A number that tasks change.
final class Counter: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func add(_ amount: Int = 1) { number.withLock { $0 += amount } }
}

/// Holds tasks back, deaf to cancellation, until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var passed = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var waiterCount: Int { state.withLock { $0.waiting.count } }
    var passed: Int { state.withLock { $0.passed } }

    func wait() async {
        await withCheckedContinuation { continuation in
            let goOn = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if goOn { continuation.resume() }
        }
        state.withLock { $0.passed += 1 }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Keeps what was logged.
final class LogBook: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String)]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(book: self) } }

    var all: [String] { lines.withLock { $0.map(\.text) } }

    func texts(_ level: Logger.Level) -> [String] {
        lines.withLock { lines in lines.filter { $0.level == level }.map(\.text) }
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let extra = event.metadata.map { " \($0)" } ?? ""
            book.lines.withLock { $0.append((event.level, "\(event.message)\(extra)")) }
        }
    }
}

/// What tasks noted, in order.
final class Notes<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}
