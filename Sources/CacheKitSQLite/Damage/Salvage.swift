public import CacheKit
public import CacheKitCore

/// A row as salvage finds it.
public enum SalvagedRow: Sendable {
    /// It authenticates, its value with it.
    case intact(Change)
    /// It was altered; the number of its change as it stands there.
    case altered(ChangeSequence)
    /// An index knows of it, and its page can't be read.
    case unreadable(ChangeSequence)
}

extension SQLiteConfiguration {
    /// Gives every row of the file that can be read, past damage of any kind, and names those that can't.
    ///
    /// Opens the file for reading only: neither clock nor watermark, schema or length has to be in order, only the keys. Rows
    /// come in no particular order. `body` runs on a thread of its own. Linear in the file.
    ///
    /// - Returns: how many places of the file could not be read; rows that no index knows of may have stood there.
    /// - Throws: `wrongMasterKey`; `invalidConfiguration` for another tenant's file; `notADatabase`, `damagedStore`, `inputOutput` where nothing can be read at all.
    @discardableResult
    public func salvage(
        keyring: Keyring, tenant: String, _ body: @escaping @Sendable (SalvagedRow) -> Void
    ) async throws(CacheError) -> Int {
        try await SystemThread.run { () throws(CacheError) in
            guard DatabaseFile.exists(path) else { throw CacheError(.inputOutput, "there is no file; check the path") }
            let connection = try ReadOnlyFile.connect(self)
            do throws(CacheError) {
                if try DatabaseFile.isNew(connection, path) { return 0 }
            } catch  where error.code == .damagedStore {
                // What is left of it is read.
            }
            let file = try ReadOnlyFile(self, connection)
            let codec = try file.codec(keyring)
            if let owner = try? file.meta.sealed("tenant", codec.keys),
                !ConstantTime.equal(owner, Array(tenant.utf8))
            {
                throw OpenedFile.otherTenant
            }
            var scan = RowScan()
            while let rows = try scan.step(file.connection, codec) {
                for row in rows { body(SalvagedRow(row)) }
            }
            return scan.unreadablePlaces
        }
    }
}

extension SalvagedRow {
    init(_ row: ScannedRow) {
        switch row.content {
        case .intact(let change): self = .intact(change)
        case .altered: self = .altered(ChangeSequence(row.sequence))
        case .unreadable: self = .unreadable(ChangeSequence(row.sequence))
        }
    }
}
