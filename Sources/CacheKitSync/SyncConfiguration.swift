public import CacheKit
public import CacheKitCore

/// How changes are carried to the remote.
public struct SyncConfiguration: Sendable {
    /// Changes per batch. Default 4,000, 1 to 10,000: sixteen for each bucket, so that one script call weighs many.
    public var batchChanges: Int = 4_000
    /// Bytes of values per batch, at least one value. Default 4 MiB; two batches are held at a time.
    public var batchBytes: Int = 4 << 20
    /// The first wait after a failure is drawn between zero and this. Default 40 ms, below 50.
    public var firstBackoff: Duration = .milliseconds(40)
    /// The longest wait between two tries. Default 10 s.
    public var longestBackoff: Duration = .seconds(10)
    /// Where the share of each wait comes from, 0 to 1; tests give their own.
    public var jitter: @Sendable () -> Double = { .random(in: 0..<1) }
    /// How often a change that the remote refuses by itself is tried before it becomes a dead letter. Default 3.
    public var attemptsPerChange: Int = 3
    /// How long an idle engine waits before it looks for changes that another process committed. Default one second.
    public var idleInterval: Duration = .seconds(1)
    /// How changes are treated on their way, where their namespace has no policy of its own.
    public var policy = SyncPolicy()
    /// Policies by namespace: that of the longest one that begins a key holds.
    public var namespacePolicies: [String: SyncPolicy] = [:]
    /// A change that was stamped longer ago than this when it is sent asks who wrote before. Default 5 s.
    public var lateAfter: Duration = .seconds(5)
    /// How long tombstones are kept; older puts are set aside where nothing tells what became of their key. Default seven
    /// days; not longer than the cache keeps them.
    public var tombstoneLife: Duration = .seconds(7 * 86_400)
    /// How long a record is kept after its value's life. Default one day.
    public var recordRetention: Duration = .seconds(86_400)
    /// How often the remote is asked for its time while changes are sent. Default 10 s.
    public var surveyInterval: Duration = .seconds(10)
    /// How often marks are compared while nothing is sent, to find what the remote lost. Default one minute.
    public var marksInterval: Duration = .seconds(60)
    /// How often one step of sweeping old records is done while nothing is pending. Default 10 s.
    public var sweepInterval: Duration = .seconds(10)
    /// What happens to writes while too much is pending.
    public var backPressure = BackPressure()
    /// How long without progress, while changes are pending, until the log says so. Default one minute.
    public var stallAlarm: Duration = .seconds(60)

    /// The defaults.
    public init() {}

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        problems.require((1...10_000).contains(batchChanges), "batchChanges", text: "must be from 1 to 10,000")
        problems.require(batchBytes >= 1, "batchBytes", text: "must be at least 1")
        problems.require(
            firstBackoff > .zero && firstBackoff < .milliseconds(50), "firstBackoff",
            text: "must be from 1 to 49 milliseconds")
        problems.require(
            longestBackoff >= firstBackoff, "longestBackoff", text: "must not be shorter than firstBackoff")
        problems.require((1...100).contains(attemptsPerChange), "attemptsPerChange", text: "must be from 1 to 100")
        problems.require(idleInterval >= .milliseconds(1), "idleInterval", text: "must be at least a millisecond")
        problems.require(lateAfter >= .zero, "lateAfter", text: "must not be negative")
        problems.require(tombstoneLife >= .seconds(60), "tombstoneLife", text: "must be at least a minute")
        problems.require(recordRetention >= .zero, "recordRetention", text: "must not be negative")
        problems.require(surveyInterval > .zero, "surveyInterval", text: "must be longer than nothing")
        problems.require(sweepInterval > .zero, "sweepInterval", text: "must be longer than nothing")
        problems.require(marksInterval > .zero, "marksInterval", text: "must be longer than nothing")
        problems.require(stallAlarm > .zero, "stallAlarm", text: "must be longer than nothing")
        return problems + backPressure.problems.map { $0.within("backPressure") }
    }
}

/// Makes the write-behind engine; see ``CacheKit/SynchronizerProvider/writeBehind(_:)``.
public struct WriteBehind: SynchronizerProvider {
    let configuration: SyncConfiguration

    /// What is wrong with the configuration, all of it.
    public var problems: [ConfigurationProblem] { configuration.problems.map { $0.within("sync") } }

    /// The engine over the cache's own stores.
    public func makeSynchronizer(_ context: SynchronizerContext) throws(CacheError) -> (any Synchronizer)? {
        try CacheError.check(configuration.problems.map { $0.within("sync") })
        return SyncEngine(context, configuration)
    }
}

extension SynchronizerProvider where Self == WriteBehind {
    /// Local changes are acknowledged when they are on disk, and carried to the remote by a running cache.
    public static func writeBehind(_ configuration: SyncConfiguration = .init()) -> WriteBehind {
        WriteBehind(configuration: configuration)
    }
}
