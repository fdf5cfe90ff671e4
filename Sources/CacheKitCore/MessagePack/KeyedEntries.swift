/// The entries of a map, found by key without an index.
///
/// A type asks for its keys in about the order in which they were written, so the search starts at the last entry found
/// and goes round once: O(1) for keys in order, O(entries) for a key that is absent.
final class KeyedEntries {
    private let first: MessagePackCursor
    private let count: Int
    private var current: MessagePackCursor
    private var index = 0

    init(first: MessagePackCursor, count: Int) {
        self.first = first
        self.count = count
        current = first
    }

    /// Where the value of a key starts.
    func find(_ key: String) -> Int? {
        var key = key
        return key.withUTF8 { find(UnsafeRawBufferPointer($0)) }
    }

    private func find(_ key: UnsafeRawBufferPointer) -> Int? {
        for _ in 0..<count {
            var cursor = current
            if let candidate = try? cursor.readUTF8() {
                if MessagePackCursor.equal(candidate, key) { return cursor.position }
            } else {
                // Not a string: no coding key names it.
                try? cursor.skip()
            }
            index += 1
            if index == count {
                index = 0
                current = first
            } else {
                try? cursor.skip()
                current = cursor
            }
        }
        return nil
    }

    /// All keys that are strings, in the order of the document.
    func keys() -> [String] {
        var cursor = first
        var keys: [String] = []
        keys.reserveCapacity(count)
        for _ in 0..<count {
            if let key = try? cursor.readString() {
                keys.append(key)
            } else {
                try? cursor.skip()
            }
            try? cursor.skip()
        }
        return keys
    }
}
