internal import CacheKit
internal import CacheKitCore

/// Keeping the file within its bound.
extension Writer {
    /// What a change asks for when the file is full.
    enum Need {
        /// A value that is refused when there is no room.
        case value
        /// A tombstone, which the reserve is for.
        case tombstone
    }

    /// Whether so many more bytes and rows may reach the bound, so that each of them has to look.
    ///
    /// A row takes its value and about half a kibibyte, and pages are three quarters full.
    func isNearBound(bytes: Int, rows count: Int) throws(CacheError) -> Bool {
        // Asked once in a transaction, which many writes share: asking costs as much as a tenth of a row.
        var use: Int
        if let expectedUse { use = expectedUse } else { use = try pages.usedBytes() }
        use += (bytes + count * 512) / 3 * 4
        expectedUse = use
        if use + bound.headroom > bound.bytes { return true }
        guard bound.rows < .max else { return false }
        return try rowTotal() + count > bound.rows
    }

    /// Makes room for a row with a value of so many bytes by deleting what was used longest ago, in the open transaction.
    ///
    /// - Returns: `false` where there is none: nothing is left that may go, or not within the time that a write may take.
    func makeRoom(bytes: Int, for need: Need) throws(CacheError) -> Bool {
        if try hasRoom(bytes, need) { return true }
        // In proportion to what the write itself takes.
        let budget = StepBudget(StepBudget.step + .milliseconds(10) * (bytes >> 20))
        // To the bound itself, also for a tombstone: the reserve is not to be lived from.
        var evictor = self.evictor
        let isMade = try evictor.evict(self, budget) { () throws(CacheError) in try hasRoom(bytes, .value) }
        self.evictor = evictor
        // A page is free only when the last of its rows is gone, and the bound may have been lowered: who gives as much as
        // it takes makes nothing worse.
        if isMade || evictor.freedBytes > bytes { return true }
        return try hasRoom(bytes, need)
    }

    private func hasRoom(_ bytes: Int, _ need: Need) throws(CacheError) -> Bool {
        let limit = need == .tombstone ? bound.bytes + bound.reserve : bound.bytes
        guard try pages.usedBytes() + bytes <= limit else { return false }
        // A tombstone is a row too, and mostly stands where one was.
        guard bound.rows < .max, need == .value else { return true }
        return try rowTotal() < bound.rows
    }

    /// Rows, in the open transaction.
    private func rowTotal() throws(CacheError) -> Int {
        try rowCount.value(bound: bound.rows - 1, added: rows.added, connection)
    }

    /// Throws what a write gets when there is no room for it.
    func refuse(bytes: Int) throws(CacheError) -> Never {
        if bytes > bound.bytes {
            throw CacheError(
                .valueTooLarge, "a value of \(bytes) bytes does not fit the file's bound; raise sizeLimit")
        }
        throw CacheError(
            .backPressure,
            "the file is full of changes that wait for the remote; write again when some were pushed, or raise sizeLimit"
        )
    }

    // MARK: Maintenance

    /// One short step of noting reads, sweeping, evicting or shrinking; `true` if another would find work.
    func maintain(accesses: [Int64: Int64]) throws(CacheError) -> Bool {
        let budget = StepBudget()
        if !accesses.isEmpty {
            try transaction(changeCount: 0) { () throws(CacheError) in
                for (id, time) in accesses { try rows.touch(id, at: time) }
            }
        }
        evictor.reconsider()
        if try sweeper.step(self, budget) { return true }
        if try evictAhead(budget) { return true }
        return try vacuum(budget)
    }

    /// Evicts what keeps the headroom from being free, so that writes find room.
    private func evictAhead(_ budget: StepBudget) throws(CacheError) -> Bool {
        let isEnough = { () throws(CacheError) -> Bool in
            guard try self.pages.usedBytes() <= self.bound.evictionBytes else { return false }
            guard self.bound.rows < .max else { return true }
            return try self.rowTotal() <= self.bound.rows
        }
        if try isEnough() { return false }
        var evictor = self.evictor
        let isDone = try transaction(changeCount: 0) { () throws(CacheError) in
            try evictor.evict(self, budget, until: isEnough)
        }
        self.evictor = evictor
        return !isDone && !evictor.isExhausted
    }

    /// Free pages that the file may keep for what is written next: 1 MiB.
    private static let keptFreePages = 256
    private static let pagesPerVacuum = 16

    /// Gives free pages back to the file system; `true` if more are left than are kept.
    private func vacuum(_ budget: StepBudget) throws(CacheError) -> Bool {
        guard try pages.free() > Self.keptFreePages else { return false }
        return try transaction(changeCount: 0) { () throws(CacheError) in
            repeat {
                // The pragma gives back one page per step
                // (https://www.sqlite.org/pragma.html#pragma_incremental_vacuum).
                try connection.prepare("PRAGMA incremental_vacuum(\(Self.pagesPerVacuum))")
                    .run("giving back free pages")
            } while try pages.free() > Self.keptFreePages && !budget.isSpent
            return try pages.free() > Self.keptFreePages
        }
    }
}
