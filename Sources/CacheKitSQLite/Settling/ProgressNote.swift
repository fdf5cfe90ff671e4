internal import CacheKit
internal import CacheKitCore

/// When the watermark last moved and what last kept it from moving; sealed in `meta`, for people only.
enum ProgressNote {
    static let name = "progress"

    /// When it moved (8), when it failed (8), each 0 for never, then code, a zero byte, message.
    static func encoded(_ progress: SendingProgress) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: UInt64(bitPattern: progress.movedAt?.milliseconds ?? 0))
        bytes.append(bigEndian: UInt64(bitPattern: progress.lastFailure?.at.milliseconds ?? 0))
        guard let failure = progress.lastFailure else { return bytes }
        return bytes + Array("\(failure.code)\0\(failure.message)".utf8)
    }

    static func decoded(_ bytes: [UInt8]) -> SendingProgress? {
        guard bytes.count >= 16 else { return nil }
        let (moved, failed) = bytes.withUnsafeBytes { bytes -> (UInt64, UInt64) in
            (bytes.bigEndian(at: 0), bytes.bigEndian(at: 8))
        }
        var progress = SendingProgress()
        if moved != 0 { progress.movedAt = Timestamp(milliseconds: Int64(bitPattern: moved)) }
        let texts = bytes[16...].split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        if failed != 0, texts.count == 2 {
            progress.lastFailure = SendingProgress.Failure(
                at: Timestamp(milliseconds: Int64(bitPattern: failed)), code: String(decoding: texts[0], as: UTF8.self),
                message: String(decoding: texts[1], as: UTF8.self))
        }
        return progress
    }
}

extension MetaTable {
    /// What was noted. Nobody decides by it, so an altered note counts as none.
    func progress(_ keys: FileKeys) throws(CacheError) -> SendingProgress {
        do throws(CacheError) {
            return try sealed(ProgressNote.name, keys).flatMap(ProgressNote.decoded) ?? SendingProgress()
        } catch  where error.code == .tamperedStore {
            return SendingProgress()
        }
    }
}

extension Writer {
    /// Notes that the watermark moved.
    func noteProgress(at now: Timestamp) throws(CacheError) {
        var progress = try meta.progress(file.keys)
        progress.movedAt = now
        try meta.setSealed(ProgressNote.name, ProgressNote.encoded(progress), file.keys)
    }

    /// Notes what keeps it from moving.
    func note(sendingFailure error: CacheError) throws(CacheError) {
        var progress = try meta.progress(file.keys)
        progress.lastFailure = SendingProgress.Failure(
            at: clock.now(), code: error.code.description, message: error.message)
        try meta.setSealed(ProgressNote.name, ProgressNote.encoded(progress), file.keys)
    }
}
