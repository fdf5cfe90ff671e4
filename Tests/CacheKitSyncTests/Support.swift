import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Synchronization
import Testing

@testable import CacheKitSync

/// Polls a condition, letting other tasks run in between; `false` if it does not come to hold in half a minute.
func eventually(_ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        await Task.yield()
    }
    return false
}

/// Keeps what was logged.
final class LogBook: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String)]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(book: self) } }

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

extension SynchronizerContext {
    /// Of a plain cache whose values are native and live a minute.
    static func plain(
        _ local: any LocalStore, _ remote: any RemoteStore, _ clock: any CacheClock, _ logger: Logger
    ) -> SynchronizerContext {
        SynchronizerContext(
            local: local, remote: remote, clock: CorrectedClock(clock), logger: logger
        ) { _, _ throws(CacheError) in RemoteValue(mode: .native, form: .plain, timeToLive: .seconds(60)) }
    }
}

/// A task that runs an engine, ended with the test.
final class Run: Sendable {
    private let task: Task<Void, Never>

    init(_ engine: SyncEngine) {
        task = Task { await engine.run() }
    }

    func end() async {
        task.cancel()
        await task.value
    }
}

/// What tasks noted, in order.
final class Notes<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}
