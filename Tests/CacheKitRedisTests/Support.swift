import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Logging
import Synchronization

/// What a store logged.
final class LogRecord: Sendable {
    private let events = Mutex<[(level: Logger.Level, message: String, line: String)]>([])

    func messages(_ level: Logger.Level) -> [String] {
        events.withLock { $0.filter { $0.level == level }.map(\.message) }
    }

    /// Messages with all that was logged beside them.
    var lines: [String] { events.withLock { $0.map(\.line) } }

    fileprivate func add(_ level: Logger.Level, _ message: String, _ metadata: String) {
        events.withLock { $0.append((level, message, message + " " + metadata)) }
    }
}

private struct RecordingHandler: LogHandler {
    let record: LogRecord
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        record.add(event.level, "\(event.message)", "\(metadata) \(event.metadata ?? [:])")
    }
}

extension RemoteStoreContext {
    static func forTests(_ record: LogRecord = LogRecord()) -> RemoteStoreContext {
        RemoteStoreContext(
            logger: Logger(label: "test", factory: { _ in RecordingHandler(record: record) }),
            maximumValueBytes: 16 << 20)
    }
}

func makeStore(
    _ url: String, log: LogRecord = LogRecord(), _ change: (inout RedisConfiguration) -> Void = { _ in }
) throws(CacheError) -> RedisStore {
    var configuration = RedisConfiguration(url)
    change(&configuration)
    return try RedisStore(configuration, context: .forTests(log))
}

func put(_ key: String, _ value: [UInt8], _ life: Duration = .seconds(60)) throws -> RemoteWrite {
    RemoteWrite(key: try CacheKey(key), action: .put(value, timeToLive: life))
}

func words(_ text: String...) -> [[UInt8]] { text.map { Array($0.utf8) } }

/// Polls a condition until it holds or thirty seconds are over.
func eventually(_ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return false
}

func code(_ body: () async throws -> Void) async -> CacheError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? CacheError)?.code
    }
}
