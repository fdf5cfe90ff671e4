internal import CacheKit
internal import CacheKitCore

/// Says which rows may be lost: those whose change has a durable outcome and that nobody has to look at.
struct Replaceability {
    private let writer: Writer
    private let protectsPending: Bool
    private let watermark: Watermark

    /// For one transaction: neither the watermark nor whether there ever was a remote changes in it.
    init(_ writer: Writer) throws(CacheError) {
        self.writer = writer
        protectsPending = try writer.hasRemote()
        watermark = try writer.readWatermark()
    }

    /// Whether the columns alone say that a change is pending. They are not opened, so only a refusal may rest on them.
    func isPending(sequence: Int64, origin: Int64) -> Bool {
        protectsPending && origin == Int64(EntryOrigin.local.rawValue)
            && UInt64(bitPattern: sequence) > watermark.sequence
    }

    /// The hash of the row that a statement with every column stands on, and the bytes of its value; `nil` if it must stay.
    ///
    /// - Parameter isForSpace: Whether it would go before its time: then a removal's marker stays, as what it kills would
    ///   come back.
    func victim(
        _ row: PreparedStatement, _ table: RowTable, isForSpace: Bool = false
    ) throws(CacheError) -> (hash: KeyHash, bytes: Int)? {
        guard !isPending(sequence: row.integer(3), origin: row.integer(4)) else { return nil }
        // What does not authenticate is evidence; it stays for `verify`.
        guard let metadata = try? writer.file.codec.metadata(row, table: table) else { return nil }
        if isForSpace, !metadata.isTombstone, metadata.key.utf8.contains(0) { return nil }
        let hash = KeyHash(bytes: row.bytes(0), bits: writer.file.configuration.hashBits)
        let isReplaceable = try writer.isReplaceable(metadata, watermark, protectsPending: protectsPending)
        return isReplaceable ? (hash, metadata.valueLength) : nil
    }
}

extension Writer {
    /// Whether any process ever opened the file with a remote.
    func hasRemote() throws(CacheError) -> Bool {
        guard let record = try meta.sealed("has_remote", file.keys) else { throw OpenedFile.incomplete }
        return record == [1]
    }
}

extension RowTable {
    /// The order in which rows are looked for. Overflow first: a row that moves from there into the place of a deleted one
    /// is then one that stays.
    static let walkingOrder: [RowTable] = [.overflow, .entries]

    /// The column of the integer key.
    var rowName: String { self == .entries ? "id" : "row" }
}
