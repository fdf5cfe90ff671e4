public import CacheKit
internal import CacheKitCore

/// The promises of ``LocalStore``, as checks that any store can be put to.
///
/// Knows no test framework: a broken promise is an error with a sentence and the line that noticed. Every check wants an
/// empty store of its own, opened as with a remote and driven by ``clock``.
///
/// ```swift
/// @Test(arguments: LocalStoreConformance.Check.allCases)
/// func `the store keeps the promises of a local store`(check: LocalStoreConformance.Check) async throws {
///     let conformance = LocalStoreConformance()
///     try await conformance.run(check, on: MyStore(clock: conformance.clock))
/// }
/// ```
public struct LocalStoreConformance: Sendable {
    /// One promise.
    public enum Check: String, CaseIterable, Sendable {
        /// What was committed is read back with all its parts, in the order of the keys.
        case readsOwnWrites
        /// Sequences grow in the order of changes, and concurrent writers never share one.
        case numbersChangesUniquely
        /// A later change of a key has the newer version, also while the wall clock goes back.
        case versionsGrow
        /// The feed has each key once, under its latest change.
        case compactsFeed
        /// A delete leaves a row without a value, in reads and in the feed.
        case keepsTombstones
        /// A value from the remote is stored only over the very row that was seen before.
        case fillComparesAndSets
        /// A value from the remote never replaces a change that waits.
        case fillSparesPendingChanges
        /// What is read from the remote keeps its version, and a change made over it gets one above.
        case fillKeepsVersions
        /// A value whose life is over is kept, with both its ends, until the later one.
        case keepsStaleValues
        /// That there is no value is kept like a fill, is no change for the remote, and gives way like one.
        case keepsNegativeResults
        /// All rows but those that wait are met once, step by step, with what tells their values apart.
        case walksHeldRows
        /// The watermark moves up only.
        case watermarkNeverFalls
        /// What is overwritten above the watermark is counted once, and settling says how many others stood.
        case countsSuperseded
        /// Dead letters are counted, and their rows stay.
        case settlesWithDeadLetters
        /// The backlog counts local changes above the watermark, their bytes, and the oldest.
        case countsBacklog
        /// One holder at a time, and releasing twice takes nothing from the next one.
        case leaseIsExclusive
        /// One holder at a time for each key's load, where the store gives out such locks; they are free once released or dropped.
        case loadLocksAreExclusive
        /// Pages of the feed keep to count and bytes, and together hold every change once.
        case feedKeepsLimits
        /// The feed without values has each changed key once, under its latest change, and comes to an end.
        case feedsKeysAlone
        /// Maintenance never loses a change that waits, however long expired.
        case maintenanceSparesPendingChanges
        /// Values under an older key are found step by step, each once, and those under the current one never.
        case findsOlderSeals
        /// A value sealed anew replaces only the same one, and nothing else of its row changes.
        case resealComparesAndSets
        /// A change that waits, or that was given up on, is not sealed anew.
        case resealSparesWhatWaits
        /// Up to where changes may have been sent is noted, and never falls.
        case notesWhatIsSent
        /// Marks of buckets stand beside each other, unless there are other buckets.
        case keepsMarks
        /// Notes of replays are replaced at their step only, and there are not too many.
        case keepsReplays
        /// A change that was set aside is counted, and its row stays.
        case setsChangesAside
        /// What a row replaces, and what may be in flight, is known to whoever sends it.
        case followsBases
        /// Settled changes are given again, in order and within limits, without those set aside.
        case feedsSettledChanges
        /// What lost is replaced only where it still stands, and is kept.
        case replacesLosers
        /// A stamp that lies ahead is set back with the ends of its row, and later ones follow it.
        case setsStampsBack
        /// A stamp that only follows an earlier wrong one is set back, and the ends of its row, which do not, stay.
        case keepsEndsOfARightClock
        /// A change gets a version above another, and nothing else of it moves.
        case stampsAboveOthers
        /// With another node id, nothing counts as sent or acknowledged.
        case changesItsNode
        /// What was set aside is listed page by page, each once, with its reason and its row.
        case listsWhatWasSetAside
        /// A change that is to be sent again has a new sequence and everything else as it was.
        case requeuesChanges
        /// A change that was dropped is never sent, and what is known of the remote stays true.
        case dropsChanges
        /// What lost is listed beside what stands there, and shown whole.
        case showsConflicts
        /// A loser is written again as a change, and its conflict forgotten with it.
        case reinstatesLosers
        /// When the watermark moved, what kept it from that, and whether somebody pushes.
        case remembersProgress
        /// What this store commits is not another process's.
        case ownCommitsAreNotForeign
        /// After closing, every call says so.
        case refusesAfterClose
    }

    /// The time that the store under test goes by.
    public let clock = ManualClock()

    /// Checks with a clock of their own.
    public init() {}

    /// Puts an empty store to one check, and closes it.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` with the promise that was broken, or what the store threw.
    public func run(_ check: Check, on store: any LocalStore) async throws {
        do {
            try await perform(check, store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private func perform(_ check: Check, _ store: any LocalStore) async throws {
        switch check {
        case .readsOwnWrites: try await readsOwnWrites(store)
        case .numbersChangesUniquely: try await numbersChangesUniquely(store)
        case .versionsGrow: try await versionsGrow(store)
        case .compactsFeed: try await compactsFeed(store)
        case .keepsTombstones: try await keepsTombstones(store)
        case .fillComparesAndSets: try await fillComparesAndSets(store)
        case .fillSparesPendingChanges: try await fillSparesPendingChanges(store)
        case .fillKeepsVersions: try await fillKeepsVersions(store)
        case .keepsStaleValues: try await keepsStaleValues(store)
        case .keepsNegativeResults: try await keepsNegativeResults(store)
        case .walksHeldRows: try await walksHeldRows(store)
        case .watermarkNeverFalls: try await watermarkNeverFalls(store)
        case .countsSuperseded: try await countsSuperseded(store)
        case .settlesWithDeadLetters: try await settlesWithDeadLetters(store)
        case .countsBacklog: try await countsBacklog(store)
        case .leaseIsExclusive: try await leaseIsExclusive(store)
        case .loadLocksAreExclusive: try await loadLocksAreExclusive(store)
        case .feedKeepsLimits: try await feedKeepsLimits(store)
        case .feedsKeysAlone: try await feedsKeysAlone(store)
        case .maintenanceSparesPendingChanges: try await maintenanceSparesPendingChanges(store)
        case .findsOlderSeals: try await findsOlderSeals(store)
        case .resealComparesAndSets: try await resealComparesAndSets(store)
        case .resealSparesWhatWaits: try await resealSparesWhatWaits(store)
        case .notesWhatIsSent: try await notesWhatIsSent(store)
        case .keepsMarks: try await keepsMarks(store)
        case .keepsReplays: try await keepsReplays(store)
        case .setsChangesAside: try await setsChangesAside(store)
        case .followsBases: try await followsBases(store)
        case .feedsSettledChanges: try await feedsSettledChanges(store)
        case .replacesLosers: try await replacesLosers(store)
        case .setsStampsBack: try await setsStampsBack(store)
        case .keepsEndsOfARightClock: try await keepsEndsOfARightClock(store)
        case .stampsAboveOthers: try await stampsAboveOthers(store)
        case .changesItsNode: try await changesItsNode(store)
        case .listsWhatWasSetAside: try await listsWhatWasSetAside(store)
        case .requeuesChanges: try await requeuesChanges(store)
        case .dropsChanges: try await dropsChanges(store)
        case .showsConflicts: try await showsConflicts(store)
        case .reinstatesLosers: try await reinstatesLosers(store)
        case .remembersProgress: try await remembersProgress(store)
        case .ownCommitsAreNotForeign: try await ownCommitsAreNotForeign(store)
        case .refusesAfterClose: try await refusesAfterClose(store)
        }
    }
}

extension LocalStoreConformance {
    func require(
        _ condition: Bool, _ promise: String, file: String = #fileID, line: Int = #line
    ) throws(CacheError) {
        guard condition else {
            throw CacheError(.internalFault, "the store breaks a promise: \(promise)", file: file, line: line)
        }
    }

    func put(
        _ key: String, _ value: [UInt8], form: ValueForm = .plain, life: Duration = .seconds(600)
    ) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: value, form: form, mode: .native, expiresAt: clock.now().advanced(by: life))
    }

    func delete(_ key: String, life: Duration = .seconds(600)) throws -> LocalChange {
        LocalChange(
            key: try CacheKey(key), value: nil, form: .plain, mode: .native,
            expiresAt: clock.now().advanced(by: life))
    }

    func entry(_ key: String, _ store: any LocalStore) async throws -> StoredEntry? {
        try await store.read([CacheKey(key)]).first ?? nil
    }

    func feed(_ store: any LocalStore, origin: EntryOrigin? = nil) async throws -> [Change] {
        try await store.changes(after: .zero, origin: origin, limit: 1000, byteLimit: 1 << 20)
    }

    /// Runs maintenance until nothing is left to do.
    func maintain(_ store: any LocalStore) async throws {
        for _ in 0..<10_000 where try await !store.maintain() { return }
        try require(false, "maintenance comes to an end")
    }
}
