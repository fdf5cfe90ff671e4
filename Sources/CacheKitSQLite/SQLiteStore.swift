public import CacheKit
public import CacheKitCore

/// The local tier in an encrypted SQLite file: one writer thread that groups commits, reads inline on the caller's thread.
public final class SQLiteStore: LocalStore {
    let file: OpenedFile
    let queue: WriteQueue
    let reads: StoreReads
    let accesses = AccessLog()
    let backups = BackupTurn()
    let loadLocks: LoadLockFile
    let clock: any CacheClock
    /// The writer thread has closed its connection.
    let ended: OneTimeSignal

    private init(
        _ file: OpenedFile, _ queue: WriteQueue, _ reads: StoreReads, _ ended: OneTimeSignal, clock: any CacheClock
    ) {
        self.file = file
        self.queue = queue
        self.reads = reads
        self.ended = ended
        self.clock = clock
        loadLocks = LoadLockFile(file.path + "-load")
    }

    deinit {
        // The writer thread empties its queue, closes its connection and ends.
        queue.close()
    }

    /// Opens or creates the file. Runs on the writer's thread, so that waiting for another process holds no other.
    public static func open(
        _ configuration: SQLiteConfiguration, _ context: LocalStoreContext
    ) async throws(CacheError) -> SQLiteStore {
        try CacheError.check(configuration.problems)
        var context = context
        // From then on pending rows are protected, as if there were one.
        context.hasRemote = context.hasRemote || configuration.pendingKeepsAlive
        let queue = WriteQueue(
            maximumCount: configuration.maximumQueuedWrites, maximumBytes: configuration.maximumQueuedBytes)
        let handover = Handover<SQLiteStore>()
        await withCheckedContinuation { continuation in
            let ended = OneTimeSignal()
            let isStarted = SystemThread.start { [context] in
                do throws(CacheError) {
                    let file = try OpenedFile.open(configuration, context)
                    let writer = try Writer(file, clock: context.clock)
                    let reads = try StoreReads(file, writer.ownCommits)
                    writer.endSnapshots = { [weak reads] in reads?.endSnapshots() }
                    handover.leave(.success(SQLiteStore(file, queue, reads, ended, clock: context.clock)))
                    continuation.resume()
                    serve(queue, writer)
                } catch {
                    handover.leave(.failure(error))
                    continuation.resume()
                }
                // The writer is gone and its connection closed.
                ended.set()
            }
            if !isStarted {
                handover.leave(.failure(SystemThread.unavailable))
                continuation.resume()
            }
        }
        return try handover.take()
    }

    private static func serve(_ queue: WriteQueue, _ writer: Writer) {
        let clock = ContinuousClock()
        while let jobs = queue.next() {
            var cost = Duration.zero
            let start = clock.now
            writer.execute(jobs) {
                cost = start.duration(to: clock.now)
                queue.noteCommit()
            }
            writer.boundLog()
            queue.gather(atMost: cost / 4)
        }
    }

    /// Runs a body on the writer thread, in the transaction that it shares with others, and gives its output when that has
    /// been committed.
    func write<Output: Sendable>(
        bytes: Int = 0, changes: Int = 0, transactional: Bool = true,
        _ body: @escaping @Sendable (Writer) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        let result: Result<Output, CacheError> = await withCheckedContinuation { continuation in
            let job = WriteJob(
                byteCount: bytes, changeCount: changes, isTransactional: transactional,
                perform: { writer throws(CacheError) in
                    let output = try body(writer)
                    return { continuation.resume(returning: .success(output)) }
                },
                fail: { continuation.resume(returning: .failure($0)) })
            if let refusal = queue.add(job) { continuation.resume(returning: .failure(refusal)) }
        }
        return try result.get()
    }

    /// Runs a short body on a reader; see ``StoreReads/read(_:)``.
    func read<Output: Sendable>(
        _ body: @escaping @Sendable (Reader) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        try await reads.read(body)
    }
}
