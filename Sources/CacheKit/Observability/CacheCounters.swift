import CacheKitCore
import Synchronization

/// What the cache has done since it was made; the memory tier counts for itself, under its locks.
final class CacheCounters: Sendable {
    let localHits = Atomic<Int>(0)
    let localMisses = Atomic<Int>(0)
    let remoteHits = Atomic<Int>(0)
    let remoteMisses = Atomic<Int>(0)
    let remoteFailures = Atomic<Int>(0)
    let loads = Atomic<Int>(0)
    let loadFailures = Atomic<Int>(0)
    let loadMicroseconds = Atomic<Int>(0)
    let staleServed = Atomic<Int>(0)
    let renewals = Atomic<Int>(0)
    let loadsElsewhere = Atomic<Int>(0)
    let loadLockTimeouts = Atomic<Int>(0)
    let loadLockFailures = Atomic<Int>(0)
    let undecodable = Atomic<Int>(0)
    let writes = Atomic<Int>(0)
    let deletes = Atomic<Int>(0)
    let storeFailures = Atomic<Int>(0)
    let invalidatedKeys = Atomic<Int>(0)
    let gaps = Atomic<Int>(0)
    let removals = Atomic<Int>(0)
    let removedEntries = Atomic<Int>(0)
    let openFailures = OpenFailures()
    let lastLocalError = LastError()
    let lastRemoteError = LastError()
    let writeFailure = WriteFailure()
}

/// The last error of a tier, and when it came.
final class LastError: Sendable {
    private let state = Mutex<(error: CacheError, time: Timestamp)?>(nil)

    /// Whoever stops waiting says nothing of the tier.
    func note(_ error: CacheError, at time: Timestamp) {
        guard error.code != .cancelled else { return }
        state.withLock { $0 = (error, time) }
    }

    var value: (error: CacheError, time: Timestamp)? { state.withLock { $0 } }
}

extension Atomic<Int> {
    /// Counts one more, or `amount`; order does not matter to a counter.
    func count(_ amount: Int = 1) {
        wrappingAdd(amount, ordering: .relaxed)
    }

    var value: Int { load(ordering: .relaxed) }
}

/// What a cache holds and has done, for people, tests and metrics.
public struct CacheStatistics: Sendable, Equatable {
    /// The memory tier.
    public var memory = MemoryStatistics()
    /// Reads that the local store answered, misses of the memory tier.
    public var localHits = 0
    /// Reads that it did not answer.
    public var localMisses = 0
    /// Rows that this process removed from the local store for space.
    public var localEvictions = 0
    /// Rows that this process removed from the local store for time.
    public var localExpirations = 0
    /// Reads that the remote answered.
    public var remoteHits = 0
    /// Reads that it did not answer because it has no such key.
    public var remoteMisses = 0
    /// Reads that became misses because the remote could not be asked.
    public var remoteFailures = 0
    /// Values that loaders gave, or of which they said that there are none.
    public var loads = 0
    /// Values that loaders were asked for which threw, or took too long.
    public var loadFailures = 0
    /// How long all loaders took together that ran to their end.
    public var loadTime = Duration.zero
    /// Stale values that were served.
    public var staleServed = 0
    /// Lives that began anew: by `touch`, and by reading a sliding value.
    public var renewals = 0
    /// Loads that another process or node did, while one here waited for its lock.
    public var loadsElsewhere = 0
    /// Waits for a load elsewhere that were over before it was.
    public var loadLockTimeouts = 0
    /// Locks of a load that could not be asked for, so that it went without.
    public var loadLockFailures = 0
    /// Entries that no longer fitted their type and counted as misses in `getOrSet`.
    public var undecodable = 0
    /// Values set.
    public var writes = 0
    /// Keys deleted.
    public var deletes = 0
    /// Loaded values that could not be stored and were returned all the same.
    public var storeFailures = 0
    /// Keys of which the remote said that others changed them, or that they are gone.
    public var invalidatedKeys = 0
    /// How often everything from the remote became unverified: at the start, after a loss, after a flush.
    public var gaps = 0
    /// Namespaces and tags removed.
    public var removals = 0
    /// Entries that were found and not given, because a removal is newer than they are.
    public var removedEntries = 0

    /// Entries that could not be opened, by reason.
    public var openFailures = OpenFailureStatistics()
    /// By declared namespace; what handles for physical keys did is under the empty name.
    public var namespaces: [String: NamespaceStatistics] = [:]
    /// Loads in the background that run now.
    public var backgroundLoads = 0

    /// Nothing yet.
    public init() {}
}
