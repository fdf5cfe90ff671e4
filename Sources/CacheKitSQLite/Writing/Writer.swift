internal import CacheKit
internal import CacheKitCore

/// The connection that writes, and everything that runs on it.
///
/// `@unchecked Sendable` because only the writer thread touches it after it was made.
final class Writer: @unchecked Sendable {
    let file: OpenedFile
    let connection: SQLiteConnection
    let meta: MetaTable
    let finder: RowFinder
    let rows: RowWriter
    let settlement: SettlementStatements
    let marks: MarksTable
    let conflicts: ConflictTable
    let clock: any CacheClock
    let ownCommits: OwnCommits
    let bound: SpaceBound
    let pages: PageCounts
    var retiredKeys = RetiredKeys()
    var sweeper = Sweeper()
    var evictor = Evictor()
    var rowCount = RowCount()
    /// What gives up idle read snapshots, which keep the log from beginning anew; set once they exist.
    var endSnapshots: @Sendable () -> Void = {}

    let checkpointer: Checkpointer?
    var walks: [String: PreparedStatement] = [:]
    /// The length of the log at which its next part is worth moving.
    var nextCheckpointFrames: Int

    var fileClock: FileClock?
    private var savedClock: FileClock?
    /// Whether this process is past what a crash may have left reserved, by a transaction that was committed.
    private(set) var hasSkippedReservation = false
    private var skipsReservation = false
    private var storesClock = false
    /// The watermark, once the open transaction has read it.
    var foundWatermark: Watermark?
    /// Up to where changes may have been sent, once the open transaction has read it.
    var foundSentThrough: UInt64?
    /// Pending changes that the open transaction has overwritten.
    var superseded: UInt64 = 0
    /// Whether the file is known to have had a remote; never again without.
    var isRemoteKnown = false
    /// Whether any change was set aside, once the open transaction has asked.
    var hasSetAside: Bool?
    /// The time of every stamp of the open transaction: the one that stamps were reserved for, wherever the clock is put
    /// meanwhile.
    private var stampTime = Timestamp(milliseconds: 0)
    /// Bytes of pages in use, once the open transaction has asked, and those that its writes may have added since.
    var expectedUse: Int?
    /// Whether frames of a commit that failed may lie behind the log's end.
    private var hasFailedCommit = false

    init(_ file: OpenedFile, clock: any CacheClock) throws(CacheError) {
        self.file = file
        self.clock = clock
        bound = SpaceBound(file.configuration)
        nextCheckpointFrames = bound.idleLogFrames
        connection = try SQLiteConnection(file.configuration)
        try connection.execute(
            "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=\(bound.dueLogFrames * 4096)")
        // After the pragma, which sets a hook of its own.
        connection.countLogFrames()
        if let pages = file.configuration.maximumPageCount {
            try connection.execute("PRAGMA max_page_count=\(pages)")
        }
        meta = try MetaTable(connection)
        finder = try RowFinder(connection, file.codec)
        rows = try RowWriter(connection, file.codec, keepsUntilSent: file.configuration.pendingKeepsAlive)
        settlement = try SettlementStatements(connection, file.keys)
        marks = try MarksTable(connection, file.keys)
        conflicts = try ConflictTable(connection, file)
        pages = try PageCounts(connection)
        ownCommits = OwnCommits(after: try meta.clock(file.keys).lastSequence)
        // Last: it starts a thread, which only closing ends.
        checkpointer = Checkpointer(file.configuration)
        try setSynchronous(full: isFull)
    }

    deinit { checkpointer?.close() }

    var isFull: Bool { file.configuration.durability == .full }

    private func setSynchronous(full: Bool) throws(CacheError) {
        try connection.execute("PRAGMA synchronous=\(full ? "FULL" : "NORMAL")")
    }

    // MARK: Group commit

    /// Runs jobs in one transaction and tells each caller. One that fails by its own fault takes no other with it.
    ///
    /// - Parameter noteCommit: What is done between the commit and telling.
    func execute(_ jobs: [WriteJob], noteCommit: () -> Void = {}) {
        if let job = jobs.first, !job.isTransactional { return executeAlone(job) }
        var faultOfOne = false
        do throws(CacheError) {
            let completions = try transaction(changeCount: jobs.reduce(0) { $0 + $1.changeCount }) {
                () throws(CacheError) in
                var completions: [WriteJob.Completion] = []
                for job in jobs {
                    do throws(CacheError) {
                        completions.append(try job.perform(self))
                    } catch {
                        faultOfOne = !Self.concernsFile(error)
                        throw error
                    }
                }
                return completions
            }
            noteCommit()
            for completion in completions { completion() }
        } catch {
            if faultOfOne, jobs.count > 1 {
                // Rare, and savepoints would cost every batch: roll back and give each a transaction of its own.
                for job in jobs { execute([job]) }
            } else {
                fail(jobs, error)
            }
        }
    }

    /// Where the disk is full, what carries no value is tried again by itself: acknowledgements and deletes are what makes
    /// room in the end, and fit into the log that is kept.
    private func fail(_ jobs: [WriteJob], _ error: CacheError) {
        let small = error.code == .diskFull ? jobs.filter { $0.byteCount == 0 } : []
        for job in jobs where small.isEmpty || job.byteCount > 0 { job.fail(error) }
        if small.isEmpty { return }
        if small.count == jobs.count { return small.forEach { $0.fail(error) } }
        execute(small)
    }

    private static func concernsFile(_ error: CacheError) -> Bool {
        [.diskFull, .inputOutput, .storeBusy, .readOnlyStore].contains(error.code)
    }

    private func executeAlone(_ job: WriteJob) {
        do throws(CacheError) {
            try job.perform(self)()
        } catch {
            connection.rollBack()
            noteFailure(error)
            job.fail(error)
        }
    }

    /// One transaction with the file's clock at hand; durable as configured, or always if `synced`.
    func transaction<Output>(
        changeCount: Int, synced: Bool = false, _ body: () throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        try dropFailedCommits()
        let now = clock.now()
        stampTime = now
        if isFull || synced { return try syncedTransaction(body) }
        let count = UInt64(changeCount)
        // Asked inside the transaction: another process may have drawn or given back what was reserved.
        let output = try attempt { () throws(CacheError) -> Output? in
            guard try currentClock().covers(count, at: now) else { return nil }
            let output = try body()
            try saveSuperseded()
            try saveClock(synced: false)
            return output
        }
        if let output { return output }
        // What is not covered is synced, and reserves for those that follow.
        return try syncedTransaction { () throws(CacheError) in
            let output = try body()
            var clock = try currentClock()
            clock.reserve(count, at: now)
            fileClock = clock
            return output
        }
    }

    private func syncedTransaction<Output>(_ body: () throws(CacheError) -> Output) throws(CacheError) -> Output {
        if !isFull { try setSynchronous(full: true) }
        defer { if !isFull { try? setSynchronous(full: false) } }
        return try attempt { () throws(CacheError) in
            let output = try body()
            try saveSuperseded()
            try saveClock(synced: true)
            return output
        }
    }

    private func attempt<Output>(_ body: () throws(CacheError) -> Output) throws(CacheError) -> Output {
        defer {
            fileClock = nil
            savedClock = nil
            skipsReservation = false
            storesClock = false
            foundWatermark = nil
            foundSentThrough = nil
            hasSetAside = nil
            superseded = 0
            expectedUse = nil
            rows.added = 0
        }
        let output: Output
        do throws(CacheError) {
            output = try connection.transaction(.immediate, body)
        } catch {
            noteFailure(error)
            throw error
        }
        var foreign: UInt64 = 0
        if storesClock, let savedClock, let fileClock {
            if skipsReservation { hasSkippedReservation = true }
            foreign = ownCommits.note(found: savedClock.lastSequence, last: fileClock.lastSequence)
            if foreign > 0 { evictor.reconsider() }
        }
        rowCount.note(added: rows.added, foreignChanges: foreign)
        return output
    }

    func noteFailure(_ error: CacheError) {
        if error.code != .storeBusy, Self.concernsFile(error) { hasFailedCommit = true }
    }

    private func saveClock(synced: Bool) throws(CacheError) {
        guard var clock = fileClock, clock != savedClock else { return }
        clock.reservedSequence = max(clock.reservedSequence, clock.lastSequence)
        clock.reservedStamp = max(clock.reservedStamp, clock.lastStamp)
        if synced { clock.syncedSequence = clock.lastSequence }
        try meta.setSealed("clock", clock.encoded, file.keys)
        storesClock = true
    }

    /// The file's clock in the open transaction; the first use of this process passes over what a crash left reserved.
    func currentClock() throws(CacheError) -> FileClock {
        if let fileClock { return fileClock }
        var clock = try readClock()
        savedClock = clock
        if !hasSkippedReservation {
            clock.skipReserved()
            skipsReservation = true
        }
        fileClock = clock
        return clock
    }

    func readClock() throws(CacheError) -> FileClock { try meta.clock(file.keys) }

    /// Draws a sequence and a version for a change in the open transaction, above that of the row it replaces.
    func nextChange(above former: Version? = nil) throws(CacheError) -> (sequence: UInt64, version: Version) {
        var clock = try currentClock()
        if let former { clock.observe(former, at: stampTime) }
        let (sequence, stamp) = clock.next(at: stampTime)
        fileClock = clock
        return (sequence, Version(stamp: stamp, node: clock.node))
    }

    /// Lets every process learn that a key was retired.
    func advanceKeyEpoch() throws(CacheError) {
        var clock = try currentClock()
        clock.keyEpoch += 1
        fileClock = clock
    }

    func readWatermark() throws(CacheError) -> Watermark {
        if let foundWatermark { return foundWatermark }
        let watermark = try meta.watermark(file.keys)
        // Outside a transaction, another process may move it at any time.
        if !connection.isAutocommit { foundWatermark = watermark }
        return watermark
    }

    /// Up to where changes of this node may have been sent, in the open transaction.
    func readSentThrough() throws(CacheError) -> UInt64 {
        if let foundSentThrough { return foundSentThrough }
        var sentThrough = UInt64.max
        // An altered note must not keep anybody from writing; more in a base than there is harms nobody.
        do throws(CacheError) {
            sentThrough = try meta.sent(file.keys)?.sequence(of: currentClock().node) ?? 0
        } catch  where error.code == .tamperedStore {}
        foundSentThrough = sentThrough
        return sentThrough
    }

    /// Syncs every commit so far, whoever made it, so that what is published can't be lost.
    func sync() throws(CacheError) {
        let clock = try readClock()
        guard clock.syncedSequence < clock.lastSequence else { return }
        try transaction(changeCount: 0, synced: true) { () throws(CacheError) in
            // Draws nothing, so it passes over nothing that another process has reserved for itself.
            var clock = try readClock()
            savedClock = clock
            clock.syncedSequence = clock.lastSequence
            fileClock = clock
        }
    }

    /// After a failed commit, puts the log in order before the next one.
    ///
    /// Its frames lie behind the log's end, and those of several would look like commits that damage took. And a kernel that
    /// could not write a page takes it for written from then on: the next sync of the log would be called good, with a hole
    /// in it where commits were not synced before. Those are copied into the file, which another sync makes durable.
    private func dropFailedCommits() throws(CacheError) {
        guard hasFailedCommit else { return }
        try connection.transaction { () throws(CacheError) in try connection.cutLogTail() }
        if try readClock().isAhead { _ = try connection.checkpoint(.truncating) }
        hasFailedCommit = false
    }
}
