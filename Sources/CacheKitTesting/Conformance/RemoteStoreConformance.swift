public import CacheKit
internal import CacheKitCore

/// The promises of ``RemoteStore`` and its versioned part, as checks that any store can be put to.
///
/// Knows no test framework: a broken promise is an error with a sentence and the line that noticed. Every check wants an empty
/// remote, and closes the store in the end.
///
/// ```swift
/// @Test(arguments: RemoteStoreConformance.Check.allCases)
/// func `the store keeps the promises of a remote store`(check: RemoteStoreConformance.Check) async throws {
///     let clock = ManualClock()
///     let conformance = RemoteStoreConformance { clock.advance(by: $0) }
///     try await conformance.run(check, on: MyRemote(clock: clock))
/// }
/// ```
public struct RemoteStoreConformance: Sendable {
    /// One promise.
    public enum Check: String, CaseIterable, Sendable {
        // Plain keys and values.

        /// What was written is read back, in the order of the keys, any bytes under any key.
        case readsOwnWrites
        /// Writes of a key take effect in their order, and every one has a result.
        case writesInOrder
        /// A put gives the value the life it says, also over another one.
        case keepsLives
        /// What has expired is gone.
        case expiresValues
        /// A life can be made to end at another time, and nothing comes of that where nothing is.
        case movesEnds
        /// A delete removes the value, and is no failure where there is none.
        case deletes
        /// Empty lists of keys and writes are answered with empty lists.
        case takesNothing
        /// Concurrent callers get their own answers.
        case keepsCallersApart
        /// All keys that begin so are listed page by page, and no names of the store's own.
        case listsKeys
        /// It answers a ping.
        case answersPing

        // Versions: docs/sync.md, "Verdicts".

        /// Every key lies in one bucket of as many as there are.
        case hasBuckets
        /// A fresh put stores value, life, record and mark, whoever wrote before.
        case appliesFreshPuts
        /// A fresh delete removes the value and leaves a tombstone, also where nothing is.
        case leavesTombstones
        /// A put whose life was over deletes, and its tombstone has its fingerprint.
        case appliesExpiredPuts
        /// What took effect before is told, by its fingerprint or one of its base.
        case knowsWhatIsSentAgain
        /// A write that mends puts back a value that is gone though its record stands.
        case mendsLostValues
        /// The same version with another value is a clash, and changes nothing.
        case tellsClashes
        /// A newer version stops everything and is told.
        case newerVersionsWin
        /// Versions are compared as numbers in every one of their bytes.
        case comparesWholeVersions
        /// A late write leaves what somebody without versions wrote, and tells its fingerprint.
        case sparesForeignValues
        /// A late write replaces what it, its base or the record knows.
        case replacesKnownValues
        /// What is sent again leaves a foreign value and writes its record.
        case recordsBesideForeignValues
        /// A late put where a live value is gone is told, unless it accepts that.
        case tellsAbsence
        /// A put older than tombstones needs a record, or a value that it knows.
        case refusesTooOldPuts
        /// Where something was lost, nothing counts as foreign or absent.
        case trustsNothingAfterLoss
        /// A mark only rises, for each node by itself, and a bucket that has less than expected keeps its own.
        case raisesMarks
        /// Pushes of several buckets are answered in their order, each with one verdict for each write.
        case answersEveryPush
        /// Value, life and record of a key are read together; last bytes and record agree with them.
        case looksTheSameFromAllSides
        /// Records that ended before a time are removed step by step, and neither others nor values.
        case sweepsEndedRecords
        /// Its clock goes on, and it says so.
        case tellsItsTime
        /// A note of its connections is given, and taken again.
        case givesFences

        // Its end.

        /// After closing, every call says so.
        case refusesAfterClose
    }

    let pass: @Sendable (Duration) async -> Void

    /// Checks of a remote whose time passes as `pass` says: by moving the clock that it was given on, or by waiting.
    ///
    /// - Parameter pass: lets time pass for the remote, at least as much as it is told.
    public init(passing pass: @escaping @Sendable (Duration) async -> Void) {
        self.pass = pass
    }

    /// Puts a store on an empty remote to one check, and closes it.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` with the promise that was broken, or what the store threw.
    public func run(_ check: Check, on store: any RemoteStore) async throws {
        do {
            try await perform(check, store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private func perform(_ check: Check, _ store: any RemoteStore) async throws {
        switch check {
        case .readsOwnWrites: try await readsOwnWrites(store)
        case .writesInOrder: try await writesInOrder(store)
        case .keepsLives: try await keepsLives(store)
        case .expiresValues: try await expiresValues(store)
        case .movesEnds: try await movesEnds(store)
        case .deletes: try await deletes(store)
        case .takesNothing: try await takesNothing(store)
        case .keepsCallersApart: try await keepsCallersApart(store)
        case .listsKeys: try await listsKeys(store)
        case .answersPing: try await store.ping()
        case .hasBuckets: try await hasBuckets(store)
        case .appliesFreshPuts: try await appliesFreshPuts(store)
        case .leavesTombstones: try await leavesTombstones(store)
        case .appliesExpiredPuts: try await appliesExpiredPuts(store)
        case .knowsWhatIsSentAgain: try await knowsWhatIsSentAgain(store)
        case .mendsLostValues: try await mendsLostValues(store)
        case .tellsClashes: try await tellsClashes(store)
        case .newerVersionsWin: try await newerVersionsWin(store)
        case .comparesWholeVersions: try await comparesWholeVersions(store)
        case .sparesForeignValues: try await sparesForeignValues(store)
        case .replacesKnownValues: try await replacesKnownValues(store)
        case .recordsBesideForeignValues: try await recordsBesideForeignValues(store)
        case .tellsAbsence: try await tellsAbsence(store)
        case .refusesTooOldPuts: try await refusesTooOldPuts(store)
        case .trustsNothingAfterLoss: try await trustsNothingAfterLoss(store)
        case .raisesMarks: try await raisesMarks(store)
        case .answersEveryPush: try await answersEveryPush(store)
        case .looksTheSameFromAllSides: try await looksTheSameFromAllSides(store)
        case .sweepsEndedRecords: try await sweepsEndedRecords(store)
        case .tellsItsTime: try await tellsItsTime(store)
        case .givesFences: try await givesFences(store)
        case .refusesAfterClose: try await refusesAfterClose(store)
        }
    }
}
