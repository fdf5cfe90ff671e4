import CacheKit
import CacheKitCore

@testable import CacheKitSync

/// One delivery, step by step.
struct Trial {
    var delivery: Delivery
    private(set) var pushes: [BucketPush] = []
    private(set) var writes: [RemoteWrite] = []
    private(set) var stamps: [Restamp] = []
    private(set) var resolutions: [Resolution] = []

    init(
        _ changes: [Change], _ policy: SyncPolicy = .init(), sentThrough: UInt64 = 100,
        _ adjust: (inout Delivery.Terms) -> Void = { _ in }
    ) {
        var terms = Delivery.Terms(
            node: Sample.node, sentThrough: ChangeSequence(sentThrough), connectedSince: nil, lateAfter: .seconds(5),
            tombstoneLife: .seconds(7 * 86_400), attemptsPerChange: 3)
        adjust(&terms)
        delivery = Delivery(changes, terms, [:], now: Sample.now, bucket: Sample.bucket, policy: { _ in policy })
    }

    /// The next step, by name.
    mutating func step(at now: Timestamp = Sample.now) -> String {
        switch delivery.next(at: now) {
        case .restamp(let asked):
            stamps = asked
            return "restamp"
        case .push(let sent):
            pushes = sent
            return "push"
        case .write(let sent):
            writes = sent
            return "write"
        case .inspect: return "inspect"
        case .resolve(let asked):
            resolutions = asked
            return "resolve"
        case .finished: return "finished"
        case .reidentify: return "reidentify"
        case .failed(let error): return "failed \(error.code)"
        }
    }

    /// Every push is answered with these verdicts, in order of its writes; marks are as expected.
    mutating func weigh(_ verdict: (VersionedWrite) -> Verdict) {
        delivery.weighed(pushes.map { .weighed(mark: $0.expectedMark, verdicts: $0.writes.map(verdict)) })
    }

    /// The remote holds this in place of what lost; opened unless it begins with 255.
    mutating func inspect(_ value: [UInt8]?, remaining: Duration? = .seconds(30)) {
        delivery.inspected(
            [RemoteView(entry: value.map { RemoteEntry(value: $0, remaining: remaining) }, record: nil)],
            at: Sample.now
        ) { _, value throws(CacheError) in
            if value.first == 255 { throw CacheError(.authenticationFailed, "not ours") }
            return RemoteValue(mode: .native, form: .plain, timeToLive: .seconds(600))
        }
    }

    /// The outcomes so far, in order of the changes.
    var outcomes: [Outcome?] {
        delivery.items.map { if case .done(let outcome) = $0.phase { outcome } else { nil } }
    }
}
