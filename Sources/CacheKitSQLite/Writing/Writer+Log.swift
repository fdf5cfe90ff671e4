internal import CacheKit
internal import CacheKitCore

/// Keeping the log short, and closing.
extension Writer {
    /// Keeps the log short: has it moved in the background while it grows, and lets it begin anew when it is long.
    func boundLog() {
        let frames = connection.logFrames
        // It may have begun anew since.
        nextCheckpointFrames = min(nextCheckpointFrames, frames + bound.idleLogFrames)
        guard frames >= nextCheckpointFrames else { return }
        if frames >= bound.dueLogFrames {
            // While it is at work, the log may grow to twice that.
            guard frames >= 2 * bound.dueLogFrames || checkpointer?.isBusy != true else { return }
            checkpointer?.finish()
            restartLog()
        } else {
            checkpointer?.ask()
        }
        nextCheckpointFrames = connection.logFrames + bound.idleLogFrames
    }

    /// Moves what is left of the log and lets the next commit begin it anew, unless readers are in it for longer.
    private func restartLog() {
        endSnapshots()
        connection.setBusyTimeout(Self.longestWaitForReaders)
        defer { connection.setBusyTimeout(file.configuration.busyTimeout) }
        // Who stands in the way costs space in the log only, and the next time tries again.
        do throws(CacheError) {
            _ = try connection.checkpoint(.restarting)
            connection.resetLogFrames()
        } catch {
            noteFailure(error)
        }
    }

    private static let longestWaitForReaders = Duration.milliseconds(5)

    /// Empties the log and gives back what was reserved.
    func close() {
        if !isFull, hasSkippedReservation {
            _ = try? transaction(changeCount: 0, synced: true) { () throws(CacheError) in
                var clock = try currentClock()
                clock.releaseReservation()
                fileClock = clock
            }
        }
        checkpointer?.close()
        _ = try? connection.checkpoint(.truncating)
    }
}
