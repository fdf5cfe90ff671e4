/// Brings a document into canonical form (protocol sections 2 and 3): shortest headers, float64 only, map keys sorted by
/// their UTF-8 bytes at every level and none twice.
///
/// A second pass over finished bytes, so that one rule serves Codable types, hand-written conformances and values alike.
/// Time O(n) for sorted maps, O(n log n) key comparisons else. Recursion is bounded by the scanner's depth limit.
enum MessagePackCanonicalizer {
    /// The canonical form of one document.
    ///
    /// - Throws: ``CacheError/Code/encoding`` for a map key that is not a string or comes twice, and for bytes that are
    ///   not one document.
    static func canonicalize(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        var writer = MessagePackWriter(capacity: bytes.count + 16)
        do {
            let reader = try MessagePackReader(
                validating: bytes, maximumDepth: MessagePackDecoder.greatestMaximumDepth)
            var cursor = reader.cursor
            try transcribe(&cursor, to: &writer)
            // `reader` owns the bytes under `cursor`.
            withExtendedLifetime(bytes) {}
        } catch let error as CacheError where error.code == .encoding {
            throw error
        } catch {
            throw CacheError(.encoding, "the value has no canonical MessagePack form", cause: error)
        }
        return try writer.finish()
    }

    private static func transcribe(_ cursor: inout MessagePackCursor, to writer: inout MessagePackWriter) throws {
        let byte = try cursor.peek()
        switch byte {
        case 0xC0:
            cursor.position += 1
            writer.writeNil()
        case 0xC2, 0xC3: writer.write(try cursor.readBool())
        case 0xCA, 0xCB: writer.write(try cursor.readDouble())
        case 0xCF: writer.write(try cursor.readInteger(UInt64.self))
        case 0x00...0x7F, 0xE0...0xFF, 0xCC...0xCE, 0xD0...0xD3: writer.write(try cursor.readInteger(Int64.self))
        case 0xA0...0xBF, 0xD9...0xDB: writer.writeUTF8(try cursor.readUTF8())
        case 0xC4...0xC6: writer.writeBytes(try cursor.readBinary())
        case 0x90...0x9F, 0xDC, 0xDD:
            let count = try cursor.readArrayHeader()
            writer.writeArrayHeader(count: count)
            for _ in 0..<count { try transcribe(&cursor, to: &writer) }
        default: try transcribeMap(&cursor, to: &writer)
        }
    }

    private static func transcribeMap(_ cursor: inout MessagePackCursor, to writer: inout MessagePackWriter) throws {
        let count = try cursor.readMapHeader()
        writer.writeMapHeader(count: count)
        let start = writer.count
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        var isSorted = true
        for _ in 0..<count {
            guard let key = try? cursor.readUTF8() else {
                throw CacheError(.encoding, "a map key is not a string; the interop profile has string keys only")
            }
            let offset = writer.count
            writer.writeUTF8(key)
            try transcribe(&cursor, to: &writer)
            if let last = entries.last, !precedes(last.key, key) { isSorted = false }
            entries.append(Entry(key: key, offset: offset, length: writer.count - offset))
        }
        if isSorted { return }
        entries.sort { precedes($0.key, $1.key) }
        for (entry, next) in zip(entries, entries.dropFirst()) where !precedes(entry.key, next.key) {
            throw CacheError(.encoding, "a map has the same key twice; keep one of them")
        }
        let unsorted = writer.written(from: start)
        unsorted.withUnsafeBytes { source in
            writer.count = start
            for entry in entries {
                let first = entry.offset - start
                let range = UnsafeRawBufferPointer(rebasing: source[first..<first + entry.length])
                (writer.base + writer.count).copyMemory(from: range.baseAddress!, byteCount: range.count)
                writer.count += range.count
            }
        }
    }

    private struct Entry {
        /// In the source document, which stays put; the writer's buffer may move.
        let key: UnsafeRawBufferPointer
        let offset: Int
        let length: Int
    }

    /// Unsigned byte order; a prefix comes first.
    private static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        left.lexicographicallyPrecedes(right)
    }
}
