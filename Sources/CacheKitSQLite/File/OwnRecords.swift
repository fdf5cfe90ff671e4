internal import CacheKit
internal import CacheKitCore

/// The file's own records, which must agree with each other and with the rows.
///
/// Each is sealed to its name, so it can't be altered; but an older one of the same file is authentic. An older clock would
/// give sequences twice, so it is noticed where a row or the watermark shows that it has been further.
enum OwnRecords {
    /// Rows above the clock that are looked at: altered ones prove nothing, an intact one does.
    private static let maximumRows: Int64 = 64

    /// Checks clock and watermark in one snapshot; gives the clock.
    ///
    /// - Throws: `damagedStore` if one is missing, `tamperedStore` if one was altered or put back.
    @discardableResult
    static func check(
        _ connection: SQLiteConnection, _ meta: MetaTable, _ codec: RowCodec
    ) throws(CacheError) -> FileClock {
        try connection.transaction(.deferred) { () throws(CacheError) in
            guard let clock = FileClock(try meta.sealed("clock", codec.keys) ?? []),
                let watermark = Watermark(try meta.sealed("watermark", codec.keys) ?? [])
            else { throw OpenedFile.incomplete }
            guard watermark.sequence <= clock.lastSequence else { throw putBack }
            for table in RowTable.allCases {
                let select = try connection.prepare(
                    """
                    SELECT \(RowTable.columns) FROM \(table.name) WHERE change_seq > ?1
                    ORDER BY change_seq DESC LIMIT \(maximumRows)
                    """)
                try select.bind(Int64(clamping: clock.lastSequence), at: 1)
                while try select.step() {
                    guard let metadata = try? codec.metadata(select, table: table) else { continue }
                    guard metadata.sequence <= clock.lastSequence else { throw putBack }
                }
            }
            return clock
        }
    }

    private static var putBack: CacheError {
        CacheError(
            .tamperedStore,
            "the file's clock is behind its changes: it was put back; keep a copy, 'cachekit export' reads the rows")
    }
}
