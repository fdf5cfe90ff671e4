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
    /// The versions under which each value took effect at the remote. Every value is written once, but a copied file sends its
    /// changes again under another node's id, and a remote that goes back may hold either.
    var versions: [[UInt8]: Set<Version>] = [:]
    private var lastNumber = 0
    /// What everybody who writes values without versions seals them with.
    private let cipher: TenantCipher

    static let keyring = Result { try Keyring(current: MasterKey(bytes: [UInt8](repeating: 7, count: 32))) }

    init(seed: UInt64, sabotage: Sabotage?) throws {
        cipher = try TenantCipher(keyring: Self.keyring.get(), tenant: CacheConfiguration().tenant)
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

    /// A value as another SDK would write it: MessagePack `bin`, sealed.
    func sealed(_ payload: [UInt8], for key: CacheKey) -> [UInt8] {
        let sealed = try? cipher.seal([0xC4, UInt8(payload.count)] + payload, key: key, compressed: false)
        return sealed ?? []
    }

    /// What a sealed value holds.
    func payload(of sealed: [UInt8], for key: CacheKey) -> [UInt8]? {
        guard let fingerprint = try? cipher.fingerprint(opening: sealed, key: key, compressed: false) else {
            return nil
        }
        let document = try? cipher.open(sealed, key: key, compressed: false, fingerprint: fingerprint)
        return document.map { Array($0.dropFirst(2)) }
    }

    /// A value that nobody has written yet.
    func nextPayload() -> [UInt8] {
        lastNumber += 1
        return stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: lastNumber >> $0) }
    }

    /// What a value is called in what happened.
    static func number(of payload: [UInt8]) -> Int { payload.reduce(0) { $0 << 8 | Int($1) } }

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
    /// What was overwritten before it had an outcome is not counted.
    case forgetsWhatWasOverwritten
    /// Values are stored without a record.
    case writesWithoutRecords
    /// Now and then nobody hears that a key was changed.
    case losesInvalidations
    /// Whoever reads takes what is there for newer than it is.
    case overstatesVersions
    /// Whoever reads does not know the versions of its rows, so that older values are taken for newer ones.
    case forgetsVersionsOfRows
    /// What was read takes the place of a change that waits.
    case fillsOverPendingChanges
    /// What was read is said to be kept, and is not.
    case forgetsWhatWasRead
    /// A key is said to hold what it held when it was asked for first.
    case glancesOnce
}
