internal import Synchronization

/// Rows that this process removed since it opened the file, by cause.
final class RemovalCounters: Sendable {
    private let evictions = Atomic<Int>(0)
    private let expirations = Atomic<Int>(0)

    var evicted: Int { evictions.load(ordering: .relaxed) }
    var expired: Int { expirations.load(ordering: .relaxed) }

    /// A row went for space.
    func evict() { evictions.wrappingAdd(1, ordering: .relaxed) }

    /// A row went for time.
    func expire() { expirations.wrappingAdd(1, ordering: .relaxed) }
}
