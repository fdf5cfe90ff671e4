internal import Synchronization

/// How often a Cluster sent us elsewhere.
struct ClusterCounts: Sendable, Equatable {
    var moved = 0
    var asked = 0
    var triedAgain = 0
    /// `CLUSTERDOWN`, `LOADING`, `MASTERDOWN`, `READONLY`, or a slot that nobody has.
    var notReady = 0
    /// Reads that a replica did not answer and its master was asked for.
    var replicaFallbacks = 0
    /// Times that the map was asked for.
    var refreshes = 0
}

/// Counts for all calls of one store.
final class ClusterCounters: Sendable {
    private let counts = Mutex(ClusterCounts())

    var current: ClusterCounts { counts.withLock { $0 } }

    func count(_ change: (inout ClusterCounts) -> Void) {
        counts.withLock { change(&$0) }
    }
}
