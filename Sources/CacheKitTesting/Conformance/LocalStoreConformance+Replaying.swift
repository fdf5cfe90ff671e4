import CacheKit
import CacheKitCore

/// What a store keeps of replays.
extension LocalStoreConformance {
    func keepsReplays(_ store: any LocalStore) async throws {
        func note(_ id: UInt64, _ step: UInt64) -> ReplayNote {
            ReplayNote(id: id, step: step, content: [UInt8(truncatingIfNeeded: step), 7])
        }
        try require(try await store.replayNotes().isEmpty, "a new store has no notes of replays")
        try await store.forgetReplay(1)
        try require(try await store.keepReplay(note(1, 0), replacing: nil), "a note is kept")
        try require(try await !store.keepReplay(note(1, 0), replacing: nil), "but not as a new one again")
        try require(try await store.keepReplay(note(1, 1), replacing: 0), "it is replaced at its step")
        try require(try await !store.keepReplay(note(1, 2), replacing: 0), "and at no other")
        try require(try await !store.keepReplay(note(2, 1), replacing: 0), "one that is not there is not replaced")
        try require(try await store.replayNotes() == [note(1, 1)], "what was refused has changed nothing")
        for id in 2...UInt64(ReplayNote.mostKept) + 1 {
            try require(try await store.keepReplay(note(id, 0), replacing: nil), "others stand beside it")
        }
        let kept = try await store.replayNotes().map(\.id)
        try require(kept == Array(2...UInt64(ReplayNote.mostKept) + 1), "the oldest makes room for one too many")
        try await store.forgetReplay(3)
        try require(try await !store.replayNotes().map(\.id).contains(3), "a replay is forgotten")
        let long = ReplayNote(id: 99, step: 0, content: Array(repeating: 0, count: ReplayNote.maximumByteCount + 1))
        let code = await refusal { () async throws(CacheError) in _ = try await store.keepReplay(long, replacing: nil) }
        try require(code == .invalidArgument, "a note has a bound")
    }
}
