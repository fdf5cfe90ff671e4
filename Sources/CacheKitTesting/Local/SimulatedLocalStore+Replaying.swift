public import CacheKit
public import CacheKitCore

extension SimulatedLocalStore {
    /// How far replays got.
    public func replayNotes() async throws(CacheError) -> [ReplayNote] { try await using { $0.file.replays } }

    /// Puts a note in the place of an older one.
    public func keepReplay(_ note: ReplayNote, replacing step: UInt64?) async throws(CacheError) -> Bool {
        try await using(.writes) { state throws(CacheError) in try state.file.replays.keep(note, replacing: step) }
    }

    /// Forgets a replay.
    public func forgetReplay(_ id: UInt64) async throws(CacheError) {
        try await using(.writes) { state in state.file.replays.removeAll { $0.id == id } }
    }
}
