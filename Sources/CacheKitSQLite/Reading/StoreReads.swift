internal import CacheKitCore

/// Everything of a store that reads: point reads inline or on threads of their own, scans, and looking for other processes'
/// commits.
final class StoreReads: Sendable {
    private let pool: ReadPool
    /// `nil` where reads run on the caller's thread.
    private let threads: ReadThreads?
    private let scanner: Scanner
    private let poller: ForeignCommitPoller
    private let busyTimeout: Duration

    init(_ file: OpenedFile, _ ownCommits: OwnCommits) throws(CacheError) {
        poller = try ForeignCommitPoller(file, ownCommits)
        scanner = Scanner(file)
        threads =
            file.configuration.readsOnOwnThreads ? ReadThreads(maximumThreads: file.configuration.readerCount) : nil
        busyTimeout = file.configuration.busyTimeout
        // Last: it starts a thread, which only closing ends.
        pool = try ReadPool(file)
    }

    deinit { pool.close() }

    /// Runs a short body on a reader, in one snapshot that is no older than this call.
    func read<Output: Sendable>(
        _ body: @escaping @Sendable (Reader) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        guard let threads else {
            return try await untilRecovered { () throws(CacheError) in try self.pool.withReader(body) }
        }
        return try await untilRecovered { () async throws(CacheError) in
            try await threads.run { [pool] () throws(CacheError) in try pool.withReader(body) }
        }
    }

    /// Runs a body that may read every row, in one snapshot; scans run one at a time.
    func scan<Output: Sendable>(
        _ body: @escaping @Sendable (Reader) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        try await untilRecovered { () async throws(CacheError) in try await self.scanner.scan(body) }
    }

    /// Whether another process put a change into the feed since the last call that said so.
    func hasForeignCommits() async throws(CacheError) -> Bool {
        try await untilRecovered { () throws(CacheError) in try self.poller.hasForeignCommits() }
    }

    /// Ends every snapshot that no read is using right now, so that the log can be moved whole and begin anew.
    func endSnapshots() { pool.endSnapshots() }

    /// Throws once the store is closed.
    func requireOpen() throws(CacheError) { try pool.requireOpen() }

    /// Tries again while another process recovers the log, for as long as a write may wait.
    private func untilRecovered<Output: Sendable>(
        _ body: () async throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        var deadline: ContinuousClock.Instant?
        while true {
            do throws(CacheError) {
                return try await body()
            } catch {
                guard error.code == .storeBusy else { throw error }
                let now = ContinuousClock.now
                let end = deadline ?? now + busyTimeout
                guard now < end else { throw error }
                deadline = end
            }
            // A cancelled task would spin here, so it gives up.
            do {
                try await Task.sleep(for: .milliseconds(2))
            } catch {
                throw CacheError(.cancelled, "the task was cancelled while the file was busy")
            }
        }
    }

    /// Waits for reads that were begun, and closes every connection.
    func close() async {
        await threads?.close()
        await scanner.close()
        poller.close()
        pool.close()
    }
}
