import Floors

/// The write-ahead log of a database in use, seen through a connection of its own.
///
/// With it a side's time can count the whole work of its writes, wherever its owner would do it, or none of it.
final class FileLog: Sendable {
    /// Used by one task at a time: the sides of a contest take turns.
    nonisolated(unsafe) private let log: OpaquePointer

    init(_ path: String) throws {
        guard let log = floor_log_open(path) else { throw FloorFailure(call: "floor_log_open") }
        self.log = log
    }

    deinit { floor_log_close(log) }

    /// Moves it whole into the database.
    func move() throws { try check(floor_log_move(log), "floor_log_move") }
}
