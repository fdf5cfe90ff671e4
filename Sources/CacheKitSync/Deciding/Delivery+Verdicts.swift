import CacheKit
import CacheKitCore

/// How a change becomes a versioned write, and what follows from the verdict on it.
extension Delivery {
    /// What is left of a value's life; `nil` once it is over, and for a delete.
    func life(of entry: StoredEntry, _ policy: SyncPolicy, at now: Timestamp) -> Duration? {
        guard entry.value != nil else { return nil }
        var remaining = now.duration(to: entry.staleAt)
        if policy.pendingKeepsAlive(for: entry), !terms.isResend {
            remaining = max(remaining, entry.version.time.duration(to: entry.staleAt))
        }
        return remaining > .zero ? remaining : nil
    }

    mutating func versionedWrite(_ index: Int, at now: Timestamp) throws(CacheError) -> VersionedWrite {
        let entry = items[index].change.entry
        let policy = items[index].policy
        var action = VersionedWrite.Action.delete
        var fingerprint = ValueFingerprint.none
        var end = entry.staleAt
        if let value = entry.value {
            fingerprint = try ValueFingerprint(of: value, form: entry.form)
            if let life = life(of: entry, policy, at: now) {
                action = .put(value, timeToLive: life)
                end = now.advanced(by: life)
            } else {
                items[index].wasExpired = true
                action = .expire
                end = now.advanced(by: terms.tombstoneLife)
            }
        }
        let age = entry.version.time.duration(to: now)
        let isFromBefore = terms.connectedSince.map { entry.version.time < $0 } ?? false
        return VersionedWrite(
            key: items[index].change.key, action: action, version: entry.version, fingerprint: fingerprint,
            base: items[index].base,
            isLate: age > terms.lateAfter || isFromBefore || items[index].wasSetBack || terms.isResend
                || terms.wereHeldBack,
            isTooOld: !terms.isResend && !entry.isSentAtAnyAge && age > terms.tombstoneLife,
            acceptsAbsence: terms.isResend || policy.absent == .apply, isResend: terms.isResend,
            recordExpiresAt: end)
    }

    mutating func weigh(_ verdict: Verdict, _ index: Int) {
        if case .failed(let error) = verdict { return refuse(index, error) }
        if terms.isResend {
            items[index].phase = .done(.applied)
            return
        }
        switch verdict {
        case .clash: needsIdentity = true
        case .already: items[index].phase = .done(.applied)
        case _ where items[index].wasExpired: items[index].phase = .done(.expired)
        case .applied: items[index].phase = .done(.applied)
        case .stale(let record): weighStale(record, index)
        case .foreign(let seen): weighForeign(seen, index)
        case .absent: items[index].phase = .inspect(.absent)
        case .tooOld: items[index].phase = .done(.parked(.tooOld))
        case .failed: break
        }
    }

    private mutating func weighStale(_ record: RemoteRecord, _ index: Int) {
        let entry = items[index].change.entry
        let own = entry.value.flatMap { try? ValueFingerprint(of: $0, form: entry.form) } ?? .none
        let isSame = (record.kind == .tombstone) == entry.isTombstone && record.fingerprint == own
        if isSame {
            // This very value under another version: it was sent under an older node id, or by a copy of this file.
            items[index].phase = .done(.applied)
            return
        }
        // Against a version of this node, the clock fell behind what it had stamped: the change is the newer one if it
        // still stands, and a row that does not stand is found out by giving it a version.
        let wins = items[index].policy.stale == .localWins || record.version.node == terms.node
        guard wins, items[index].raises < Self.mostRaises else {
            items[index].phase = .inspect(.stale)
            return
        }
        items[index].raises += 1
        items[index].phase = .stamp(above: record.version)
    }

    private mutating func weighForeign(_ seen: ValueFingerprint, _ index: Int) {
        let change = items[index].change
        switch items[index].policy.foreign {
        case .localWins where items[index].raises < Self.mostRaises:
            // Sent again on condition of what was seen.
            items[index].raises += 1
            items[index].base = [seen] + change.entry.base.prefix(1)
            items[index].phase = .send
        case .invalidate:
            // A delete of its own, which is sent as any other.
            let delete = LocalChange(
                key: change.key, value: nil, form: .plain, mode: change.entry.mode,
                expiresAt: weighedAt.advanced(by: terms.tombstoneLife))
            items[index].phase = .resolve(
                Resolution(sequence: change.entry.sequence, winner: delete, loss: .foreign, isChange: true))
        default:
            items[index].phase = .inspect(.foreign)
        }
    }
}
