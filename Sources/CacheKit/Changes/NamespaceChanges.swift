import CacheKitCore

/// What changes in a namespace, as it comes: see ``Cache/changes(in:bufferingAtMost:)``.
///
/// It listens from when it is made until it, and its iterators, are let go of, the task that waits is cancelled, or the cache is
/// shut down. It is for one consumer; each call gives one of its own.
public struct NamespaceChanges: AsyncSequence, Sendable {
    /// What is told.
    public typealias Element = NamespaceChange
    /// Listening does not fail.
    public typealias Failure = Never

    /// Leaves when nobody refers to it any more.
    fileprivate final class Listening: Sendable {
        let buffer: ChangeBuffer
        private let hub: ChangeHub
        private let id: UInt64

        init(_ hub: ChangeHub, _ prefix: String?, capacity: Int) {
            self.hub = hub
            buffer = ChangeBuffer(capacity: capacity)
            id = hub.listen(to: prefix, buffer)
        }

        deinit { hub.leave(id) }
    }

    private let listening: Listening

    init(_ hub: ChangeHub, prefix: String?, capacity: Int) {
        listening = Listening(hub, prefix, capacity: capacity)
    }

    /// Takes changes one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let listening: Listening

        /// The next change; `nil` once the cache was shut down, or the task was cancelled.
        public mutating func next() async -> NamespaceChange? { await listening.buffer.next() }

        /// The next change; `nil` once the cache was shut down, or the task was cancelled.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> NamespaceChange? {
            await listening.buffer.next()
        }
    }

    /// An iterator; all of one sequence share its changes.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(listening: listening) }
}

extension Cache {
    /// What changes in a namespace from now on, those that lie in it included; keys are given without its name.
    ///
    /// This cache's writes are told when they are durable where `set` makes them so. Changes of other processes on the same file
    /// and of other nodes are told while the cache is run, as they are heard of; in one that is not, its own
    /// alone. Values that are loaded count as set. What expires here, or goes for space, is not told.
    ///
    /// Each call listens by itself. Where changes come faster than they are taken, those that were kept give way to one
    /// ``NamespaceChange/everything``: nothing is lost without a word, and memory is bounded.
    ///
    /// - Parameter limit: How many changes are kept; 1,024 where left out.
    public func changes(in namespace: String, bufferingAtMost limit: Int = 1024) -> NamespaceChanges {
        NamespaceChanges(changeHub, prefix: "\(namespace):", capacity: limit)
    }
}

extension Namespace {
    /// What changes in this namespace from now on; of a handle for physical keys, whatever changes. See
    /// ``Cache/changes(in:bufferingAtMost:)``.
    public func changes(bufferingAtMost limit: Int = 1024) -> NamespaceChanges {
        NamespaceChanges(cache.changeHub, prefix: name.map { "\($0):" }, capacity: limit)
    }
}
