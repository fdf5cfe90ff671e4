/// Bytes on their way out: what one writer has in its hands, and what was appended meanwhile.
///
/// Positions count bytes since the connection began, so that each batch knows whether any of it was sent.
struct OutgoingBuffer: Sendable {
    private var queued: [UInt8] = []
    private var current: [UInt8] = []
    private var currentOffset = 0
    private var isTaken = false

    /// Bytes ever appended.
    private(set) var appendedCount: UInt64 = 0
    /// An upper bound of the bytes that the system was given: a write under way counts as done.
    private(set) var sentBound: UInt64 = 0
    /// Bytes that the system has taken for certain.
    private(set) var sentCount: UInt64 = 0

    /// Bytes that one writer holds; it gives them back with what it achieved.
    struct Portion: Sendable {
        var bytes: [UInt8]
        var offset: Int
    }

    /// Whether anything is left for a writer.
    var isEmpty: Bool { queued.isEmpty && currentOffset == current.count }

    /// Appends; without copying where nothing else waits.
    mutating func append(_ bytes: [UInt8]) {
        appendedCount += UInt64(bytes.count)
        if queued.isEmpty {
            queued = bytes
        } else {
            queued.append(contentsOf: bytes)
        }
    }

    /// Takes everything that waits; `nil` if there is nothing or another writer is at it.
    mutating func take() -> Portion? {
        guard !isTaken, !isEmpty else { return nil }
        if currentOffset == current.count {
            current = queued
            queued = []
            currentOffset = 0
        }
        isTaken = true
        defer { current = [] }
        sentBound += UInt64(current.count - currentOffset)
        return Portion(bytes: current, offset: currentOffset)
    }

    /// Gives a portion back of which `count` bytes were written.
    mutating func giveBack(_ portion: Portion, written count: Int) {
        isTaken = false
        sentCount += UInt64(count)
        let left = portion.bytes.count - portion.offset - count
        sentBound -= UInt64(left)
        current = left > 0 ? portion.bytes : []
        currentOffset = left > 0 ? portion.offset + count : 0
    }
}
