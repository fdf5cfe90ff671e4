internal import CacheKitCore
internal import Synchronization

/// One backup of a store at a time; closing the store ends it.
final class BackupTurn: Sendable {
    private struct State {
        var isClosed = false
        var running: BackupStop?
    }

    private let state = Mutex(State())

    /// Takes the turn.
    func begin() throws(CacheError) -> BackupStop {
        try state.withLock { state throws(CacheError) in
            if state.isClosed { throw BackupStop.Reason.closed.error }
            guard state.running == nil else {
                throw CacheError(.storeBusy, "another backup of this store is running; wait for its end")
            }
            let stop = BackupStop()
            state.running = stop
            return stop
        }
    }

    /// Gives the turn back.
    func end(_ stop: BackupStop) {
        state.withLock { $0.running = nil }
        stop.ended.set()
    }

    /// Refuses further backups, stops the one that runs, and waits for its end.
    func close() async {
        let running = state.withLock { state in
            state.isClosed = true
            return state.running
        }
        running?.request(.closed)
        await running?.ended.wait()
    }
}

/// A running backup's order to stop.
final class BackupStop: Sendable {
    enum Reason {
        case cancelled
        case closed

        var error: CacheError {
            switch self {
            case .cancelled: CacheError(.cancelled, "the task was cancelled; nothing of the backup is left")
            case .closed: CacheError(.shutdown, "the store is closed; open it again")
            }
        }
    }

    let ended = OneTimeSignal()
    private let reason = Mutex<Reason?>(nil)

    func request(_ reason: Reason) {
        self.reason.withLock { $0 = $0 ?? reason }
    }

    /// Throws once a stop was requested.
    func check() throws(CacheError) {
        if let reason = reason.withLock({ $0 }) { throw reason.error }
    }
}
