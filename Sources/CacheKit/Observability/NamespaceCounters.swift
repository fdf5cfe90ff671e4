import CacheKitCore
import Synchronization

/// What is counted of one namespace: spread over several places by key, so that readers of different keys seldom meet.
final class NamespaceCounters: Sendable {
    /// One place; on cache lines of its own as far as the allocator puts it there.
    private final class Place: Sendable {
        let memoryHits = Atomic<Int>(0)
        let localHits = Atomic<Int>(0)
        let remoteHits = Atomic<Int>(0)
        let misses = Atomic<Int>(0)
        let loads = Atomic<Int>(0)
        let loadFailures = Atomic<Int>(0)
        let loadMicroseconds = Atomic<Int>(0)
        let staleServed = Atomic<Int>(0)
    }

    private let places = (0..<16).map { _ in Place() }

    @inline(__always)
    private func place(_ hash: Hash128) -> Place { places[Int(truncatingIfNeeded: hash.high >> 40) & 15] }

    /// A read was answered by a tier, or by none.
    @inline(__always)
    func read(_ hash: Hash128, from source: EntrySource?) {
        let place = place(hash)
        switch source {
        case .memory: place.memoryHits.count()
        case .local: place.localHits.count()
        case .remote: place.remoteHits.count()
        case nil: place.misses.count()
        case .loader: break
        }
    }

    /// A loader ran to its end.
    func loaded(_ hash: Hash128, _ count: Int = 1, in time: Duration) {
        place(hash).loads.count(count)
        place(hash).loadMicroseconds.count(time.wholeMicroseconds)
    }

    /// A loader threw, or took too long.
    func failed(_ hash: Hash128, _ count: Int = 1) { place(hash).loadFailures.count(count) }

    /// Stale values were served.
    func servedStale(_ hash: Hash128, _ count: Int = 1) { place(hash).staleServed.count(count) }

    var statistics: NamespaceStatistics {
        places.reduce(into: NamespaceStatistics()) { sum, place in
            sum.memoryHits += place.memoryHits.value
            sum.localHits += place.localHits.value
            sum.remoteHits += place.remoteHits.value
            sum.misses += place.misses.value
            sum.loads += place.loads.value
            sum.loadFailures += place.loadFailures.value
            sum.loadTime += .microseconds(place.loadMicroseconds.value)
            sum.staleServed += place.staleServed.value
        }
    }
}

/// What one namespace's handles have read and loaded.
public struct NamespaceStatistics: Sendable, Equatable {
    /// Reads that memory answered.
    public var memoryHits = 0
    /// Reads that the local store answered.
    public var localHits = 0
    /// Reads that the remote answered.
    public var remoteHits = 0
    /// Reads that no tier answered.
    public var misses = 0
    /// Values that loaders gave, or of which they said that there are none.
    public var loads = 0
    /// Values that loaders were asked for which threw, or took too long.
    public var loadFailures = 0
    /// How long the loaders took together that ran to their end.
    public var loadTime = Duration.zero
    /// Stale values that were served.
    public var staleServed = 0

    /// Nothing yet.
    public init() {}

    /// The share of reads that a tier answered, 0 to 1; 0 before the first.
    public var hitRatio: Double {
        let hits = memoryHits + localHits + remoteHits
        return hits + misses == 0 ? 0 : Double(hits) / Double(hits + misses)
    }
}
