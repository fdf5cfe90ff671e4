import CacheKit
import CacheKitCore

/// What the remote would decide about a write, from what it holds at one moment; docs/sync.md, "Verdicts".
///
/// Knows the rules from there and neither the script nor the model of it, with which it is compared.
struct VerdictForecast {
    let write: VersionedWrite
    let view: RemoteView
    /// Whether the bucket counts as lost.
    var isLost = false
    /// The sender's time.
    let now: Timestamp

    func verdict() -> Verdict {
        if let record = view.record {
            if record.version == write.version { return sameVersion(record) }
            if record.version > write.version { return .stale(record) }
        }
        return asksForValue ? weighed() : .applied
    }

    private var isPut: Bool { if case .put = write.action { true } else { false } }
    private var isLate: Bool { write.isLate && !isLost }
    private var asksForTombstone: Bool { isPut && write.isTooOld && view.record == nil }
    private var asksForValue: Bool { isLate || asksForTombstone }

    /// An empty one counts as none.
    private var value: [UInt8]? { view.entry.flatMap { $0.value.isEmpty ? nil : $0.value } }

    private func sameVersion(_ record: RemoteRecord) -> Verdict {
        guard ([write.fingerprint] + write.base).contains(record.fingerprint) else { return .clash }
        guard write.isRepair else { return .already }
        if view.isOfOtherType { return .failed(Self.otherType) }
        let isRight =
            isPut
            ? value.map { matches($0, [record.fingerprint, write.fingerprint]) } ?? false
            : value == nil
        return isRight ? .already : asksForValue ? weighed() : .applied
    }

    private func weighed() -> Verdict {
        if view.isOfOtherType { return .failed(Self.otherType) }
        let own = write.base + [write.fingerprint]
        guard let value else {
            let isLiveThere = view.record.map { $0.kind == .value && $0.expiresAt > now } ?? false
            if isLate, isPut, !write.acceptsAbsence, isLiveThere { return .absent }
            return asksForTombstone ? .tooOld : .applied
        }
        let recorded = view.record.flatMap { $0.kind == .value ? $0.fingerprint : nil }
        if isLate, !matches(value, own + (recorded.map { [$0] } ?? [])) { return .foreign(plain(value)) }
        return asksForTombstone && !matches(value, own) ? .tooOld : .applied
    }

    private func plain(_ value: [UInt8]) -> ValueFingerprint {
        (try? ValueFingerprint(of: value, form: .plain)) ?? .none
    }

    private func matches(_ value: [UInt8], _ prints: [ValueFingerprint]) -> Bool {
        if let tag = ValueFingerprint(bytes: value.suffix(16)), tag != .none, prints.contains(tag) { return true }
        return prints.contains(plain(value))
    }

    private static var otherType: CacheError {
        CacheError(.remoteRejected, "the key holds a value of another type; delete it or replay other keys")
    }
}
