internal import CacheKit
internal import CacheKitCore

/// Statements that are kept, each of which walks a table.
extension Writer {
    /// The kept statement that walks a table by access time.
    func evictions(_ table: RowTable) throws(CacheError) -> PreparedStatement {
        try walk("evict \(table.name)") { () throws(CacheError) in try Evictor.prepare(connection, table) }
    }

    /// The kept statement that walks a table by change.
    func expiries(_ table: RowTable) throws(CacheError) -> PreparedStatement {
        try walk("sweep \(table.name)") { () throws(CacheError) in try Sweeper.prepare(connection, table) }
    }

    private func walk(
        _ name: String, _ make: () throws(CacheError) -> PreparedStatement
    ) throws(CacheError) -> PreparedStatement {
        if let statement = walks[name] { return statement }
        let statement = try make()
        walks[name] = statement
        return statement
    }
}
