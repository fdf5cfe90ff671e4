import CacheKitCore
import Synchronization

/// Tells those who listen what changed. Costs one atomic load where nobody does.
final class ChangeHub: Sendable {
    private struct Listener {
        /// What keys begin with; empty for all.
        var prefix: [UInt8]
        var buffer: ChangeBuffer
    }

    private struct State {
        var listeners: [UInt64: Listener] = [:]
        var nextID: UInt64 = 0
        /// Changes that this cache committed, which the feed gives again.
        var own: Set<ChangeSequence> = []
        var isFinished = false
    }

    /// More own changes than that may be told twice.
    private static let maximumOwn = 65_536

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)

    // MARK: Listening

    /// Keeps what changes from now on for a listener; `nil` as its prefix for all keys.
    func listen(to prefix: String?, _ buffer: ChangeBuffer) -> UInt64 {
        state.withLock { state in
            state.nextID += 1
            if state.isFinished {
                buffer.finish()
            } else {
                state.listeners[state.nextID] = Listener(prefix: Array((prefix ?? "").utf8), buffer: buffer)
                count.store(state.listeners.count, ordering: .releasing)
            }
            return state.nextID
        }
    }

    /// Nobody takes what is kept for a listener any more.
    func leave(_ id: UInt64) {
        let listener = state.withLock { state in
            let listener = state.listeners.removeValue(forKey: id)
            count.store(state.listeners.count, ordering: .releasing)
            if state.listeners.isEmpty { state.own = [] }
            return listener
        }
        listener?.buffer.finish()
    }

    /// Nothing changes any more.
    func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            count.store(0, ordering: .releasing)
            defer { state.listeners = [:] }
            return state.listeners.values
        }
        for listener in listeners { listener.buffer.finish() }
    }

    /// How many listen.
    var listenerCount: Int { count.load(ordering: .acquiring) }

    // MARK: Telling

    private var isListenedTo: Bool { count.load(ordering: .relaxed) > 0 }

    func set(_ keys: some Sequence<CacheKey>) { tell(keys) { .set(key: $0) } }

    func deleted(_ keys: some Sequence<CacheKey>) { tell(keys) { .deleted(key: $0) } }

    func changedElsewhere(_ keys: some Sequence<CacheKey>) { tell(keys) { .changedElsewhere(key: $0) } }

    /// This cache's own changes have these numbers in the feed.
    func committed(_ sequences: [ChangeSequence]) {
        guard isListenedTo else { return }
        state.withLock { state in
            if state.own.count + sequences.count > Self.maximumOwn { state.own = [] }
            state.own.formUnion(sequences)
        }
    }

    /// A page of the feed.
    func changedInFile(_ changed: ChangedKeys) {
        guard isListenedTo else { return }
        let foreign = state.withLock { state in
            let foreign = changed.keys.filter { !state.own.contains($0.sequence) }
            state.own = state.own.filter { $0 > changed.through }
            return foreign
        }
        changedElsewhere(foreign.lazy.map(\.key))
    }

    func removedAll(_ namespace: String) { tell(namespace, .removedAll) }

    func removed(tag: String?, _ namespace: String) { tell(namespace, .removedTagged(tag)) }

    func everything() {
        guard isListenedTo else { return }
        state.withLock { state in
            for listener in state.listeners.values { listener.buffer.add(.everything) }
        }
    }

    private func tell(_ keys: some Sequence<CacheKey>, _ change: (String) -> NamespaceChange) {
        guard isListenedTo else { return }
        for key in keys {
            guard !key.isMarker else {
                tell(marker: key)
                continue
            }
            state.withLock { state in
                for listener in state.listeners.values where key.string.utf8.starts(with: listener.prefix) {
                    let rest = key.string.utf8.dropFirst(listener.prefix.count)
                    listener.buffer.add(change(String(decoding: rest, as: UTF8.self)))
                }
            }
        }
    }

    private func tell(marker key: CacheKey) {
        guard let marker = RemovalMarker(key) else { return }
        switch marker.part {
        case .all: removedAll(marker.namespace)
        case .tag: removed(tag: nil, marker.namespace)
        // Comes with a tag's.
        case .anyTag: break
        }
    }

    /// What lies in the namespace is gone with it; to those who listen to more, some of theirs is.
    private func tell(_ namespace: String, _ change: NamespaceChange) {
        guard isListenedTo else { return }
        let prefix = Array("\(namespace):".utf8)
        state.withLock { state in
            for listener in state.listeners.values {
                if listener.prefix.starts(with: prefix) {
                    listener.buffer.add(change)
                } else if prefix.starts(with: listener.prefix) {
                    listener.buffer.add(.everything)
                }
            }
        }
    }
}
