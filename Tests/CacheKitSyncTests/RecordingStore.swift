import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A store that serves the feed from a list, and remembers the largest batch that was asked of it.
///
/// Sorting the simulated store's rows for every batch would cost the square of a long backlog.
final class RecordingStore: ForwardingStore {
    private struct State {
        var feed: [Change]?
        var mostLoaded = 0
    }

    let base: SimulatedLocalStore
    private let state = Mutex(State())

    init(_ store: SimulatedLocalStore) {
        base = store
    }

    var mostLoaded: Int { state.withLock { $0.mostLoaded } }

    func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        if state.withLock({ $0.feed == nil }) {
            let all = try await base.changes(after: .zero, origin: origin, limit: .max, byteLimit: .max)
            state.withLock { $0.feed = all }
        }
        return state.withLock { state in
            var bytes = 0
            let start = Int(after.number)
            let batch = (state.feed ?? []).dropFirst(start).prefix(limit).prefix { change in
                bytes += change.entry.value?.count ?? 0
                return bytes <= byteLimit
            }
            state.mostLoaded = max(state.mostLoaded, batch.count)
            return Array(batch)
        }
    }
}
