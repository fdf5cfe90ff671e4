public import CacheKit
public import CacheKitCore

extension SQLiteStore {
    /// How far replays got that have not ended.
    public func replayNotes() async throws(CacheError) -> [ReplayNote] {
        try await read { reader throws(CacheError) in try reader.meta.replays(reader.finder.codec.keys) }
    }

    /// Puts a note in the place of an older one; see ``ChangeSettling/keepReplay(_:replacing:)``.
    public func keepReplay(_ note: ReplayNote, replacing step: UInt64?) async throws(CacheError) -> Bool {
        try await write { writer throws(CacheError) in
            try writer.changeReplays { notes throws(CacheError) in try notes.keep(note, replacing: step) }
        }
    }

    /// Forgets a replay.
    public func forgetReplay(_ id: UInt64) async throws(CacheError) {
        try await write { writer throws(CacheError) in
            try writer.changeReplays { $0.removeAll { $0.id == id } }
        }
    }
}
