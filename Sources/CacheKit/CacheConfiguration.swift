public import CacheKitCore
public import Logging

/// Everything about a cache that has a safe default.
public struct CacheConfiguration: Sendable {
    /// Whose entries these are: part of key derivation and of what every sealed value is bound to. 1 to 1,024 bytes of UTF-8.
    public var tenant: String = "default"
    /// How long values live where neither call nor namespace says it. Default one hour.
    public var defaultTTL: Duration = .seconds(3600)
    /// How keys outside every declared namespace are laid out. Default native.
    public var defaultMode: NamespaceMode = .native
    /// How values are loaded, refreshed, and served when no new one is to be had, where a namespace does not say it. Default:
    /// by one caller at a time in the process, and nothing else.
    public var loading = LoadingPolicy()
    /// How many loads that nobody waits for run at a time; more are not begun. Default 64, at most 10,000.
    public var maximumBackgroundLoads = 64
    /// The largest encoded value, in bytes of MessagePack. Default 16 MiB, at most 512 MiB.
    public var maximumValueBytes: Int = 16 << 20
    /// The memory tier.
    public var memory = MemoryConfiguration()
    /// How long a delete is remembered, so that a late write can't bring the key back. Default seven days.
    public var tombstoneLifetime: Duration = .seconds(7 * 86_400)
    /// How often a running cache looks for commits of other processes on the same file. Default 50 ms, at least 5 ms.
    public var coherenceInterval: Duration = .milliseconds(50)
    /// How often a running cache sweeps and evicts in the local store. Default one second, at least 10 ms.
    public var maintenanceInterval: Duration = .seconds(1)
    /// When all rows of the local store are compared with the remote.
    public var reconciling = ReconcileConfiguration()
    /// Where random shares of waits come from, 0 to 1; tests give their own.
    public var jitter: @Sendable () -> Double = { .random(in: 0..<1) }
    /// Where time comes from.
    public var clock: any CacheClock = .system
    /// Where work runs that several callers share; the default pool for `nil`. A simulation has its own.
    package var sharedWorkExecutor: (any TaskExecutor)?
    /// Where the cache logs; never a key name, a tenant or a value.
    public var logger = Logger(label: "cachekit")

    /// The longest TTL that a call may ask for: ten years of 365 days.
    public static let maximumTTL: Duration = .seconds(3650 * 86_400)

    /// The defaults.
    public init() {}

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        problems.require((1...1024).contains(tenant.utf8.count), "tenant", text: "must have 1 to 1,024 bytes of UTF-8")
        problems.require(
            defaultTTL >= .milliseconds(1) && defaultTTL <= Self.maximumTTL, "defaultTTL",
            text: "must be from one millisecond to ten years")
        problems += loading.problems.map { $0.within("loading") }
        problems.require(
            defaultMode != .interop || loading.slidingLimit == nil, "loading.slidingLimit",
            text: "needs native mode: what other SDKs read has no room for it")
        problems.require(
            (1...10_000).contains(maximumBackgroundLoads), "maximumBackgroundLoads", text: "must be from 1 to 10,000")
        problems.require(
            (1...(512 << 20)).contains(maximumValueBytes), "maximumValueBytes", text: "must be from 1 byte to 512 MiB")
        problems.require(memory.maximumBytes >= 0, "memory.maximumBytes", text: "must not be negative")
        problems.require((1...1024).contains(memory.shards), "memory.shards", text: "must be from 1 to 1,024")
        problems.require(tombstoneLifetime > .zero, "tombstoneLifetime", text: "must be longer than nothing")
        problems.require(
            coherenceInterval >= .milliseconds(5), "coherenceInterval", text: "must be at least 5 milliseconds")
        problems.require(
            maintenanceInterval >= .milliseconds(10), "maintenanceInterval", text: "must be at least 10 milliseconds")
        return problems + reconciling.problems.map { $0.within("reconciling") }
    }
}
