import CacheKit
import CacheKitCore

/// Decides what happens to one batch of changes: steps out, what came of them in; no clock, no I/O.
///
/// Each change goes through stamping, sending, and, where it lost, taking over what the remote holds, until it has its one
/// outcome. A batch that could not be finished is read from the feed again, which changes nothing the second time.
struct Delivery: Sendable {
    enum Step: Sendable {
        /// Give versions; answered by ``restamped(_:)``.
        case restamp([Restamp])
        /// Send; answered by ``weighed(_:)``.
        case push([BucketPush])
        /// Send without versions; answered by ``written(_:)``.
        case write([RemoteWrite])
        /// Look at what changes lost against; answered by ``inspected(_:at:checking:)``.
        case inspect([CacheKey])
        /// Take it over; answered by ``resolved(_:)``.
        case resolve([Resolution])
        /// Every change has its outcome.
        case finished
        /// Another node uses this one's id: give it a new one, and begin anew.
        case reidentify
        /// It can't be finished now.
        case failed(CacheError)
    }

    enum Phase: Sendable {
        case stamp(above: Version?)
        case send
        case inspect(Resolution.Loss)
        case resolve(Resolution)
        /// Refused by itself, and to be sent again with the next try.
        case refused
        /// Its shard is away: to be sent when that is back, while others go on.
        case away
        case done(Outcome)
    }

    struct Item: Sendable {
        var change: Change
        let bucket: Int
        let policy: SyncPolicy
        var phase: Phase
        var base: [ValueFingerprint]
        /// Never sent before this batch.
        let isFirstSend: Bool
        /// How often it was given a version above the remote's.
        var raises = 0
        var wasExpired = false
        /// Its clock ran ahead, so that nobody knows how old it is.
        var wasSetBack = false
    }

    /// What holds for the whole batch.
    struct Terms: Sendable {
        var node: UInt64
        var sentThrough: ChangeSequence
        /// Changes from before this moment were stamped while disconnected.
        var connectedSince: Timestamp?
        var lateAfter: Duration
        var tombstoneLife: Duration
        var attemptsPerChange: Int
        /// Sending again what had an outcome before: nothing that comes of it changes that.
        var isResend = false
        /// Whether one shard may be away while others answer.
        var hasShards = false
        /// Whether the changes waited for a shard that was away.
        var wereHeldBack = false
    }

    /// A change's version may be raised this often against a remote that keeps moving.
    static let mostRaises = 8

    let terms: Terms
    let last: ChangeSequence
    var items: [Item]
    /// What pushes found and left, for the ledger.
    struct Observation: Sendable {
        var bucket: Int
        var found: UInt64?
        /// What the push expected: a lower mark stayed as it was.
        var expected: UInt64
        var mark: UInt64
        /// The highest change of the push.
        var sequence: UInt64
    }

    var observations: [Observation] = []
    /// Buckets that answered, and those that did not.
    var answered: Set<Int> = []
    var away: [Int: CacheError] = [:]
    /// How often the remote refused a change by itself, in earlier tries and this one.
    var refusals: [ChangeSequence: Int]
    var firstRefusal: CacheError?
    var failure: CacheError?
    var needsIdentity = false
    /// The marks as they are at the moment of sending: a push expects exactly what was left by the one before, or a loss
    /// in between would go unnoticed.
    var ledger = MarkLedger(bucketCount: 1)
    /// When the last push was made.
    var weighedAt: Timestamp
    /// The items that the last step was about.
    var asked: [Int] = []
    var askedByPush: [[Int]] = []
    var pushed: [Observation] = []

    init(
        _ changes: [Change], _ terms: Terms, _ refusals: [ChangeSequence: Int], now: Timestamp,
        bucket: (CacheKey) -> Int, policy: (CacheKey) -> SyncPolicy
    ) {
        self.terms = terms
        weighedAt = now
        self.refusals = refusals
        last = changes.last?.entry.sequence ?? .zero
        items = changes.map { change in
            let isFirstSend = !terms.isResend && change.entry.sequence > terms.sentThrough
            let version = change.entry.version
            let isAhead = version.time > now.advanced(by: .seconds(1)) || version.node != terms.node
            return Item(
                change: change, bucket: bucket(change.key), policy: policy(change.key),
                phase: Self.phase(of: change, needsStamp: isFirstSend && isAhead), base: change.entry.base,
                isFirstSend: isFirstSend)
        }
    }

    /// How a change begins. One whose value can't be opened here is set aside at once, so that the others go on.
    private static func phase(of change: Change, needsStamp: Bool) -> Phase {
        if change.entry.needsKey { return .done(.parked(.needsKey)) }
        return needsStamp ? .stamp(above: nil) : .send
    }

    /// What to do next, given the remote's time.
    mutating func next(at now: Timestamp) -> Step {
        if needsIdentity { return .reidentify }
        if let failure { return .failed(failure) }
        let stamps = stampsNeeded()
        if !stamps.isEmpty { return .restamp(stamps) }
        let sending = indices { if case .send = $0.phase { true } else { false } }
        let single = sending.filter { items[$0].policy.isSingleWriter }
        if !single.isEmpty { return write(single, at: now) }
        if !sending.isEmpty { return push(sending, at: now) }
        let inspecting = indices { if case .inspect = $0.phase { true } else { false } }
        if !inspecting.isEmpty {
            asked = inspecting
            return .inspect(inspecting.map { items[$0].change.key })
        }
        let resolutions = indices { if case .resolve = $0.phase { true } else { false } }
        guard resolutions.isEmpty else {
            asked = resolutions
            return .resolve(
                resolutions.compactMap {
                    if case .resolve(let resolution) = items[$0].phase { resolution } else { nil }
                })
        }
        if let firstRefusal { return .failed(firstRefusal) }
        return .finished
    }

    /// Leaves changes of some buckets for later.
    mutating func holdBack(where waits: (Int) -> Bool) {
        for index in items.indices {
            if case .send = items[index].phase, waits(items[index].bucket) { items[index].phase = .away }
        }
    }

    func indices(where condition: (Item) -> Bool) -> [Int] {
        items.indices.filter { condition(items[$0]) }
    }
}
