internal import CSQLite
internal import CacheKitCore

/// What SQLite's result codes mean to a caller (https://www.sqlite.org/rescode.html).
///
/// The text is made from the code alone: `sqlite3_errmsg` may quote SQL, so it is never shown.
extension CacheError {
    /// Translates an extended result code; `action` says what was being done, such as "committing".
    init(sqlite extended: Int32, _ action: StaticString, file: String = #fileID, line: Int = #line) {
        let (code, advice) = Self.meaning(ofSQLite: extended)
        self.init(code, "\(action) failed: \(advice) (SQLite \(extended))", file: file, line: line)
    }

    private static func meaning(ofSQLite extended: Int32) -> (Code, String) {
        switch extended & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED:
            return (.storeBusy, "another connection holds the file; try again or raise busyTimeout")
        case SQLITE_FULL:
            return (.diskFull, "no space is left on the device; free some and try again")
        case SQLITE_NOTADB:
            // What the file is was read from its header before SQLite saw it: the rest of the header is not in order.
            return (.damagedStore, "the file's header is damaged; keep a copy and run 'cachekit doctor'")
        case SQLITE_CORRUPT, SQLITE_FORMAT, SQLITE_SCHEMA:
            return (.damagedStore, "the file is damaged; keep a copy and run 'cachekit doctor'")
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
            return (.readOnlyStore, "the file or its folder can't be written; check permissions and mount")
        case SQLITE_CANTOPEN:
            return (.inputOutput, "the file or its log can't be opened; check folder and permissions")
        case SQLITE_IOERR:
            return meaning(ofInputOutput: extended)
        case SQLITE_TOOBIG:
            return (.valueTooLarge, "the value is larger than SQLite stores")
        case SQLITE_NOMEM:
            return (.inputOutput, "no memory is left")
        case SQLITE_CONSTRAINT:
            // Every constraint of the schema holds for what this module writes, so a breach comes from the file.
            return (.damagedStore, "the file contradicts itself; keep a copy and run 'cachekit doctor'")
        default:
            return (.internalFault, "unexpected result; please report it")
        }
    }

    // https://www.sqlite.org/rescode.html#extrc: the upper bits number the failed call.
    private static func meaning(ofInputOutput extended: Int32) -> (Code, String) {
        switch extended >> 8 {
        case 2:  // SQLITE_IOERR_SHORT_READ
            return (.damagedStore, "the file is shorter than it should be; keep a copy, restore a backup")
        case 33:  // SQLITE_IOERR_CORRUPTFS
            return (.damagedStore, "the file system is damaged")
        default:
            return (.inputOutput, "the operating system failed to read or write; check the device")
        }
    }
}
