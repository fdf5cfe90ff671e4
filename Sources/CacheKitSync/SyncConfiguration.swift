public import CacheKit

/// How changes are carried to the remote.
public struct SyncConfiguration: Sendable {
    /// Changes per batch. Default 500, 1 to 10,000.
    public var batchChanges: Int = 500
    /// Bytes of values per batch, at least one value. Default 1 MiB.
    public var batchBytes: Int = 1 << 20
    /// The first wait after a failure is drawn between zero and this. Default 40 ms, below 50.
    public var firstBackoff: Duration = .milliseconds(40)
    /// The longest wait between two tries. Default 10 s.
    public var longestBackoff: Duration = .seconds(10)
    /// How often a change that the remote refuses by itself is tried before it becomes a dead letter. Default 3.
    public var attemptsPerChange: Int = 3
    /// How long an idle engine waits before it looks for changes that another process committed. Default one second.
    public var idleInterval: Duration = .seconds(1)
    /// How long without progress, while changes are pending, until the log says so. Default one minute.
    public var stallAlarm: Duration = .seconds(60)

    /// The defaults.
    public init() {}

    func validate() throws(CacheError) {
        func check(_ holds: Bool, _ message: String) throws(CacheError) {
            if !holds { throw CacheError(.invalidConfiguration, message) }
        }
        try check((1...10_000).contains(batchChanges), "sync.batchChanges lies between 1 and 10,000")
        try check(batchBytes >= 1, "sync.batchBytes is positive")
        try check(
            firstBackoff > .zero && firstBackoff < .milliseconds(50), "sync.firstBackoff lies below 50 milliseconds")
        try check(longestBackoff >= firstBackoff, "sync.longestBackoff is at least firstBackoff")
        try check((1...100).contains(attemptsPerChange), "sync.attemptsPerChange lies between 1 and 100")
        try check(idleInterval >= .milliseconds(1), "sync.idleInterval is at least one millisecond")
        try check(stallAlarm > .zero, "sync.stallAlarm is positive")
    }
}

/// Makes the write-behind engine; see ``CacheKit/SynchronizerProvider/writeBehind(_:)``.
public struct WriteBehind: SynchronizerProvider {
    let configuration: SyncConfiguration

    /// The engine over the cache's own stores.
    public func makeSynchronizer(_ context: SynchronizerContext) throws(CacheError) -> (any Synchronizer)? {
        try configuration.validate()
        return SyncEngine(context, configuration)
    }
}

extension SynchronizerProvider where Self == WriteBehind {
    /// Local changes are acknowledged when they are on disk, and carried to the remote by a running cache.
    public static func writeBehind(_ configuration: SyncConfiguration = .init()) -> WriteBehind {
        WriteBehind(configuration: configuration)
    }
}
