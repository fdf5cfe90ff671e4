import CacheKit
import CacheKitCore
import CacheKitTesting

/// What everybody in a simulation shares: time, chance, the remote, and what was found to be wrong.
///
/// Unchecked: everything of a simulation runs on one thread; see ``VirtualTime``.
final class World: @unchecked Sendable {
    let time: VirtualTime
    let clock: MachineClock
    let remote: SimulatedRemote
    let sabotage: Sabotage?
    var random: SeededRandom
    private(set) var violations: [String] = []
    /// What happened, for whoever replays a seed.
    private(set) var events: [String] = []
    /// Whether links lose, delay and double what they carry.
    var hasFaults = true
    /// Whether a file was ever copied, so that two nodes may have one id.
    var hasCopies = false
    /// Whether what others wrote wins, as is the default.
    var foreignWins = true

    init(seed: UInt64, sabotage: Sabotage?) {
        time = VirtualTime(seed: seed &+ 1)
        clock = MachineClock(time)
        random = SeededRandom(seed: seed)
        remote = SimulatedRemote(clock: clock)
        self.sabotage = sabotage
    }

    var now: Timestamp { clock.now() }

    func violate(_ message: String) {
        if violations.count < 20 { violations.append("\(time.milliseconds) ms: \(message)") }
    }

    func note(_ event: @autoclosure () -> String) {
        if events.count < 5_000 { events.append("\(time.milliseconds) ms: \(event())") }
    }

    /// True so many times in a hundred.
    func chance(_ percent: Int) -> Bool { number(below: 100) < percent }

    func number(below bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
}

/// Ways to break the engine, or what it relies on: each must be found.
public enum Sabotage: String, CaseIterable, Sendable {
    /// Pushes are answered as applied, and now and then are not.
    case acknowledgesBeforeApplying
    /// A version that is there counts as this change, whatever its fingerprint.
    case skipsTheFingerprint
    /// Deletes leave no tombstone.
    case forgetsTombstones
    /// The watermark moves past changes that have no outcome.
    case movesTheWatermarkPastAGap
    /// What was pulled replaces a row that was written anew meanwhile.
    case storesPulledValuesOverPendingOnes
    /// Two changes get the same version.
    case reusesAVersion
    /// A mark that is lower than expected is taken for the expected one.
    case ignoresLowerMarks
    /// A mark that is missing is taken for the expected one.
    case ignoresMissingMarks
    /// Late changes are sent as if they were fresh.
    case forgetsLateness
    /// Stamps that lie ahead stay where they are.
    case keepsStampsFromTheFuture
    /// A value whose life is over is not sent as what it is, but dropped.
    case dropsExpiredChanges
    /// A newer version at the remote counts as this change having been applied.
    case takesStaleForApplied
    /// A crash loses what had been acknowledged to the writer.
    case acknowledgesBeforeCommitting
    /// Values are stored without a record.
    case writesWithoutRecords
}
