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

    func validate() throws(CacheError) {
        func check(_ holds: Bool, _ message: String) throws(CacheError) {
            if !holds { throw CacheError(.invalidConfiguration, message) }
        }
        try check((1...1024).contains(tenant.utf8.count), "the tenant has 1 to 1,024 bytes of UTF-8")
        try check(
            defaultTTL >= .milliseconds(1) && defaultTTL <= Self.maximumTTL,
            "defaultTTL lies between one millisecond and ten years")
        try check((1...(512 << 20)).contains(maximumValueBytes), "maximumValueBytes lies between 1 and 512 MiB")
        for problem in NamespacePolicy(mode: defaultMode, ttl: defaultTTL, loading: loading).problems {
            try check(false, problem)
        }
        try check(
            (1...10_000).contains(maximumBackgroundLoads), "maximumBackgroundLoads lies between 1 and 10,000")
        try check(memory.maximumBytes >= 0, "memory.maximumBytes is not negative")
        try check((1...1024).contains(memory.shards), "memory.shards lies between 1 and 1,024")
        try check(tombstoneLifetime > .zero, "tombstoneLifetime is positive")
        try check(coherenceInterval >= .milliseconds(5), "coherenceInterval is at least 5 milliseconds")
        try reconciling.validate()
        try check(maintenanceInterval >= .milliseconds(10), "maintenanceInterval is at least 10 milliseconds")
    }
}
