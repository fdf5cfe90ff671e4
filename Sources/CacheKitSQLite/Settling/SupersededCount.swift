internal import CacheKit
internal import CacheKitCore

/// How many changes were overwritten above the watermark, so that nothing else becomes of them; sealed in `meta`, 8 bytes.
enum SupersededCount {
    static let name = "superseded"
}

extension MetaTable {
    /// Zero where none was yet, as in a file that only older versions wrote.
    func superseded(_ keys: FileKeys) throws(CacheError) -> UInt64 {
        guard let bytes = try sealed(SupersededCount.name, keys) else { return 0 }
        guard bytes.count == 8 else { throw OpenedFile.incomplete }
        return bytes.withUnsafeBytes { $0.bigEndian(at: 0) }
    }
}

extension Writer {
    /// Adds what the open transaction has overwritten: one row of `meta` for all of it, and none where nothing was pending, or
    /// no remote ever waited for it.
    func saveSuperseded() throws(CacheError) {
        guard superseded > 0 else { return }
        if !isRemoteKnown { isRemoteKnown = try hasRemote() }
        guard isRemoteKnown else { return }
        var bytes: [UInt8] = []
        var former: UInt64 = 0
        // An altered count must not keep anybody from writing.
        do throws(CacheError) {
            former = try meta.superseded(file.keys)
        } catch  where error.code == .tamperedStore {}
        bytes.append(bigEndian: former &+ superseded)
        try meta.setSealed(SupersededCount.name, bytes, file.keys)
    }
}
