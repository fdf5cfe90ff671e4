public import CacheKitCore

/// How far a replay got, kept in the local store so that it can be gone on with; opaque to the store.
public struct ReplayNote: Sendable, Equatable {
    /// How many a store keeps.
    public static let mostKept = 16
    /// The most bytes of one.
    public static let maximumByteCount = 8 << 10

    /// Which replay it is.
    public var id: UInt64
    /// Grows with every note of a replay, so that two processes that go on with the same one notice.
    public var step: UInt64
    /// Filters, position and counts.
    public var content: [UInt8]

    /// A note of a replay.
    public init(id: UInt64, step: UInt64, content: [UInt8]) {
        self.id = id
        self.step = step
        self.content = content
    }
}

extension [ReplayNote] {
    /// What ``ChangeSettling/keepReplay(_:replacing:)`` does to the notes of a store; `false` where nothing is to be done.
    public mutating func keep(_ note: ReplayNote, replacing step: UInt64?) throws(CacheError) -> Bool {
        guard note.content.count <= ReplayNote.maximumByteCount else {
            throw CacheError(.invalidArgument, "the filters of a replay are too long; give shorter ones")
        }
        let place = firstIndex { $0.id == note.id }
        guard place.map({ self[$0].step }) == step else { return false }
        if let place {
            self[place] = note
        } else {
            append(note)
            removeFirst(Swift.max(0, count - ReplayNote.mostKept))
        }
        return true
    }
}
