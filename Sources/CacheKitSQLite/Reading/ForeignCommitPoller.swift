internal import CacheKitCore
internal import Synchronization

/// Notices what other processes commit, on a connection of its own that never stands in a transaction: there
/// `PRAGMA data_version` would stand still (https://www.sqlite.org/pragma.html#pragma_data_version).
///
/// The pragma also moves with this store's own commits, so it only says when to look; the file's clock and ``OwnCommits``
/// then tell whose change it was.
final class ForeignCommitPoller: Sendable {
    private struct State {
        let connection: SQLiteConnection
        let dataVersion: PreparedStatement
        let meta: MetaTable
        var lastDataVersion: Int64
        /// The last change in the file, as of `lastDataVersion` or later.
        var lastSequence: UInt64
        /// The last change of another that a caller was told of.
        var reported: UInt64 = 0
    }

    private let keys: FileKeys
    private let ownCommits: OwnCommits
    private let state: Mutex<State?>

    init(_ file: OpenedFile, _ ownCommits: OwnCommits) throws(CacheError) {
        keys = file.keys
        self.ownCommits = ownCommits
        let connection = try SQLiteConnection(file.configuration)
        let dataVersion = try connection.prepare("PRAGMA data_version")
        let meta = try MetaTable(connection)
        try connection.execute("PRAGMA query_only=ON")
        // In this order: what comes between the two moves the version.
        let version = try Self.read(dataVersion)
        let sequence = try meta.clock(file.keys).lastSequence
        // As for a reader: a wait for a recovery of the log must not hold a thread.
        connection.setBusyTimeout(.zero)
        state = Mutex(
            State(
                connection: connection, dataVersion: dataVersion, meta: meta, lastDataVersion: version,
                lastSequence: sequence))
    }

    /// Whether another process put a change into the feed since the last call that said so. Never misses one; waits for
    /// nobody, not even for a writer. A few microseconds.
    func hasForeignCommits() throws(CacheError) -> Bool {
        try state.withLock { state throws(CacheError) in
            guard var polled = state else { throw ReadPool.closed }
            defer { state = polled }
            return try poll(&polled)
        }
    }

    private func poll(_ state: inout State) throws(CacheError) -> Bool {
        let version = try Self.read(state.dataVersion)
        if version != state.lastDataVersion {
            state.lastSequence = try state.meta.clock(keys).lastSequence
            state.lastDataVersion = version
        }
        // After the clock was read: this store's own changes up to there have been noted, unless their callers still wait.
        let foreign = ownCommits.lastForeign(upTo: state.lastSequence)
        guard foreign > state.reported else { return false }
        state.reported = foreign
        return true
    }

    private static func read(_ dataVersion: PreparedStatement) throws(CacheError) -> Int64 {
        defer { dataVersion.reset() }
        return try dataVersion.step() ? dataVersion.integer(0) : 0
    }

    func close() { state.withLock { $0 = nil } }
}
