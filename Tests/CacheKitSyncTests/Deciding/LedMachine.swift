import CacheKit
import CacheKitCore

@testable import CacheKitSync

/// A machine led by hand, one action at a time: its feed is a list, its remote the marks of four buckets.
struct LedMachine {
    var machine: SyncStateMachine
    var feed: [Change]
    /// The marks that the remote has, counters included.
    var fullMarks: [Int: UInt64] = [:]
    /// The sequences of those marks.
    var marks: [Int: UInt64] {
        get { fullMarks.mapValues { $0 >> 16 } }
        set { fullMarks = newValue.mapValues(MarkLedger.mark(of:)) }
    }
    /// The sequences of the marks that were settled last.
    var settledMarks: [Int: UInt64]? { lastSettlement?.marks?.sequences.mapValues { $0 >> 16 } }
    /// While set, what was settled can't be made durable.
    var settleFailure: CacheError?
    private(set) var inFlight: Delivery?
    private(set) var lastSettlement: Settlement?
    private let bucketCount = 4
    /// Whether each bucket is a shard of its own, and which of them are away.
    var hasShards = false
    var away: Set<Int> = []
    var uptime = Duration.zero

    init(_ feed: [Change], through watermark: UInt64 = 0, _ adjust: (inout SyncConfiguration) -> Void = { _ in }) {
        var configuration = SyncConfiguration()
        adjust(&configuration)
        machine = SyncStateMachine(configuration)
        self.feed = feed
        begin(through: watermark)
    }

    /// Begins a session; the store knows what was settled last.
    mutating func begin(
        through watermark: UInt64, sentThrough: UInt64? = nil, marks: [Int: UInt64] = [:], node: UInt64 = Sample.node
    ) {
        var shard: (@Sendable (Int) -> Int)?
        if hasShards { shard = { $0 } }
        machine.begin(
            SendingState(
                node: node, watermark: ChangeSequence(watermark),
                sentThrough: ChangeSequence(sentThrough ?? watermark),
                marks: RemoteMarks(bucketCount: bucketCount, sequences: marks.mapValues(MarkLedger.mark(of:))),
                fence: nil),
            bucketCount: bucketCount, shard: shard)
        inFlight = nil
    }

    /// Takes the next action and answers it, but for a delivery, which stays in flight.
    mutating func step() -> String {
        let action = machine.next(now: Sample.now, uptime: uptime)
        switch action {
        case .load(let after, let changes, _):
            let page = feed.filter { $0.entry.sequence > after }.prefix(changes)
            prepare(machine.loaded(Array(page), now: Sample.now, bucket: Sample.bucket))
            return "load above \(after.number)"
        case .readHeldBack(let keys):
            let entries = keys.map { key in feed.first { $0.key == key }?.entry }
            prepare(machine.reread(keys, entries, now: Sample.now, bucket: Sample.bucket))
            return "read \(keys.map(\.string))"
        case .rewind(let step): return take(step)
        case .deliver(let delivery):
            inFlight = delivery
            return "deliver \(numbers(delivery))" + (delivery.terms.isResend ? " again" : "")
        case .awaitDelivery: return "await"
        case .settle(let settlement):
            lastSettlement = settlement
            let passed = feed.count {
                $0.entry.sequence > machine.sending.watermark && $0.entry.sequence <= settlement.through
            }
            if let settleFailure { machine.failed(settleFailure, fraction: 0) } else { machine.settled(passed: passed) }
            return "settle through \(settlement.through.number)"
        case .reidentify: return "reidentify"
        case .startOver: return "start over"
        case .rest: return "rest"
        case .hold(let pause): return "hold for \(pause.wholeMilliseconds)"
        case .retry(let pause): return "retry after \(pause.wholeMilliseconds)"
        }
    }

    /// Takes actions until the delivery in flight is waited for, or nothing is left.
    mutating func steps(_ most: Int = 50) -> [String] {
        var steps: [String] = []
        while steps.count < most {
            steps.append(step())
            let ends = ["await", "rest", "retry", "reidentify", "start over", "hold"]
            if ends.contains(where: { steps.last?.hasPrefix($0) == true }) { break }
        }
        return steps
    }

    private mutating func prepare(_ delivery: Delivery?) {
        guard var delivery else { return }
        let stamps = delivery.stampsNeeded()
        if !stamps.isEmpty { delivery.restamped(delivery.items.map(\.change.entry.version)) }
        machine.prepared(delivery)
    }

    private mutating func take(_ step: Rewind.Step) -> String {
        switch step {
        case .plant(let pushes):
            machine.planted(pushes.map { answer($0) { _ in .applied } })
            return "plant \(pushes.map(\.bucket))"
        case .load(let after, let through):
            let changes = feed.filter { $0.entry.sequence > after && $0.entry.sequence <= through }
            prepare(machine.rewound(changes, now: Sample.now, bucket: Sample.bucket))
            return "reload above \(after.number) to \(through.number)"
        case .restore(let pushes):
            let answers = pushes.map { answer($0) { _ in .applied } }
            machine.restored(answers)
            return "restore \(pushes.map { "\($0.bucket)=\($0.mark >> 16)" }.joined(separator: " "))"
        }
    }

    /// What the remote answers: the mark moves unless less was found than expected.
    private mutating func answer(_ push: BucketPush, _ verdict: (CacheKey) -> Verdict) -> BucketAnswer {
        if away.contains(push.bucket) { return .failed(Sample.away) }
        let found = fullMarks[push.bucket]
        if found ?? 0 >= push.expectedMark { fullMarks[push.bucket] = max(found ?? 0, push.mark) }
        return .weighed(mark: found, verdicts: push.writes.map { verdict($0.key) })
    }

    /// The delivery in flight reaches the remote, and its reply this node.
    mutating func land(fraction: Double = 0, _ verdict: (CacheKey) -> Verdict = { _ in .applied }) {
        guard var delivery = inFlight else { return }
        while true {
            switch delivery.next(at: Sample.now) {
            case .push(let pushes): delivery.weighed(pushes.map { answer($0, verdict) })
            case .write(let writes): delivery.written(writes.map { _ in .applied })
            case .restamp(let stamps): delivery.restamped(stamps.map { _ in nil })
            case .inspect(let keys):
                delivery.inspected(keys.map { _ in RemoteView(entry: nil, record: nil) }, at: Sample.now) {
                    _, _ throws(CacheError) in throw CacheError(.decoding, "not opened")
                }
            case .resolve(let resolutions):
                // What takes their place is no change of this node.
                feed.removeAll { change in resolutions.contains { $0.sequence == change.entry.sequence } }
                delivery.resolved(resolutions.map { _ in true })
            case .finished: return end(.finished(delivery), fraction: fraction)
            case .reidentify: return end(.needsIdentity(delivery))
            case .failed(let error): return end(.failed(error, delivery))
            }
        }
    }

    /// The delivery in flight is not answered; with `fraction` of the wait.
    mutating func fail(_ error: CacheError, fraction: Double = 0) {
        guard var delivery = inFlight else { return }
        _ = delivery.next(at: Sample.now)
        end(.failed(error, delivery), fraction: fraction)
    }

    mutating func end(_ end: SyncStateMachine.End, fraction: Double = 0) {
        inFlight = nil
        machine.delivered(end, fraction: fraction, uptime: uptime)
    }

    /// Marks are compared, and these found.
    mutating func compare(_ found: [(Int, UInt64?)]) {
        _ = machine.compared(found.map { (bucket: $0.0, mark: .success($0.1)) }, fraction: 0)
    }

    private func numbers(_ delivery: Delivery) -> [UInt64] { delivery.items.map(\.change.entry.sequence.number) }
}
