internal import CacheKit
internal import CacheKitCore
internal import Logging

extension OpenedFile {
    /// What opening writes into a file that is in order: which keys may open it, and where it is. Last, so that a file that
    /// is refused stays as it was.
    func settle(_ connection: SQLiteConnection, _ context: LocalStoreContext) throws(CacheError) {
        let meta = try MetaTable(connection)
        guard let databaseID = try meta.checked("database_id"), databaseID.count == 16 else { throw Self.incomplete }
        if case .keyring(let keyring) = context.keys {
            try KeyWraps(databaseID: databaseID).admit(keyring, tenant: context.tenant, keys, connection, meta)
        }
        try settleLocation(connection, meta)
    }

    /// Gives a file that is not where it was a new node id, in one transaction with its new place, so that processes which
    /// open it together agree. Those that have it open stamp with the new id from their next change on: it lies in the
    /// clock that every change reads.
    private func settleLocation(_ connection: SQLiteConnection, _ meta: MetaTable) throws(CacheError) {
        let current = try FileLocation.current(configuration)
        func former() throws(CacheError) -> FileLocation? {
            try meta.sealed(FileLocation.name, keys).flatMap { FileLocation($0) }
        }
        guard current.difference(from: try former()) != nil else { return }
        let reason = try connection.transaction { () throws(CacheError) -> String? in
            guard let reason = current.difference(from: try former()) else { return nil }
            guard let bytes = try meta.sealed("clock", keys), var clock = FileClock(bytes) else {
                throw Self.incomplete
            }
            clock.node = FileLocation.drawNode()
            try meta.setSealed("clock", clock.encoded, keys)
            try meta.setSealed(FileLocation.name, current.encoded, keys)
            return reason
        }
        if let reason {
            logger.notice("the file is not where it was and has a new node id", metadata: ["because": "\(reason)"])
        }
    }
}
