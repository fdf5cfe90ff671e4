internal import CacheKit
internal import CacheKitCore

/// Notes of replays in one sealed row of `meta`: for each id (8), step (8), length (4), content.
enum ReplayNotes {
    static let name = "replays"
    private static let headerByteCount = 20

    static func encode(_ notes: [ReplayNote]) -> [UInt8] {
        var bytes: [UInt8] = []
        for note in notes {
            bytes.append(bigEndian: note.id)
            bytes.append(bigEndian: note.step)
            bytes.append(bigEndian: UInt32(note.content.count))
            bytes += note.content
        }
        return bytes
    }

    /// `nil` for what is none.
    static func decode(_ bytes: [UInt8]) -> [ReplayNote]? {
        var notes: [ReplayNote] = []
        var place = 0
        while place < bytes.count {
            guard bytes.count - place >= headerByteCount else { return nil }
            let (id, step, length): (UInt64, UInt64, UInt32) = bytes.withUnsafeBytes {
                ($0.bigEndian(at: place), $0.bigEndian(at: place + 8), $0.bigEndian(at: place + 16))
            }
            place += headerByteCount
            guard bytes.count - place >= Int(length) else { return nil }
            notes.append(ReplayNote(id: id, step: step, content: Array(bytes[place..<place + Int(length)])))
            place += Int(length)
        }
        return notes
    }
}

extension MetaTable {
    /// How far replays got that have not ended.
    func replays(_ keys: FileKeys) throws(CacheError) -> [ReplayNote] {
        guard let bytes = try sealed(ReplayNotes.name, keys) else { return [] }
        guard let notes = ReplayNotes.decode(bytes) else { throw OpenedFile.incomplete }
        return notes
    }
}

extension Writer {
    /// Changes the notes of replays; a file without any has no row.
    func changeReplays<Output>(
        _ body: (inout [ReplayNote]) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        let former = try meta.replays(file.keys)
        var notes = former
        let output = try body(&notes)
        if notes.isEmpty {
            if !former.isEmpty { try meta.delete(ReplayNotes.name) }
        } else if notes != former {
            try meta.setSealed(ReplayNotes.name, ReplayNotes.encode(notes), file.keys)
        }
        return output
    }
}
