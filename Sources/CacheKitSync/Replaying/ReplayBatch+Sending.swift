import CacheKit
import CacheKitCore

/// How changes of a replay become versioned writes, and what follows from the verdicts on them.
extension ReplayBatch {
    mutating func push(_ indices: [Int], at now: Timestamp) -> Step {
        var pushes: [BucketPush] = []
        asked = indices
        askedByPush = []
        var bytes = 0
        for index in indices.sorted(by: { (items[$0].bucket, $0) < (items[$1].bucket, $1) }) {
            let write: VersionedWrite
            do {
                write = try self.write(index, at: now)
            } catch {
                return .failed(error)
            }
            let bucket = items[index].bucket
            // A script call is bounded in keys and bytes; a larger value goes alone.
            if pushes.last?.bucket != bucket || pushes[pushes.count - 1].writes.count >= 256 || bytes >= 256 << 10 {
                bytes = 0
                askedByPush.append([])
                pushes.append(
                    BucketPush(
                        bucket: bucket, writes: [], node: terms.node, expectedMark: 0, mark: 0,
                        recordsMayBeLost: false, now: now))
            }
            if case .put(let value, _) = write.action { bytes += value.count }
            pushes[pushes.count - 1].writes.append(write)
            askedByPush[pushes.count - 1].append(index)
        }
        return .push(pushes)
    }

    private func write(_ index: Int, at now: Timestamp) throws(CacheError) -> VersionedWrite {
        let item = items[index]
        let entry = item.change.entry
        var action = VersionedWrite.Action.delete
        var fingerprint = ValueFingerprint.none
        var end = entry.staleAt
        if let value = entry.value {
            fingerprint = try ValueFingerprint(of: value, form: entry.form)
            var life = now.duration(to: entry.staleAt)
            if item.isPending, item.policy.pendingKeepsAlive(for: entry) {
                life = max(life, entry.version.time.duration(to: entry.staleAt))
            }
            // One that ended since it was chosen ends there at once.
            life = max(life, .milliseconds(1))
            action = .put(value, timeToLive: life)
            end = now.advanced(by: life)
        }
        let isTooOld = entry.version.time.duration(to: now) > terms.tombstoneLife
        return VersionedWrite(
            key: item.change.key, action: action, version: entry.version, fingerprint: fingerprint, base: item.base,
            isLate: true, isTooOld: isTooOld && !terms.sendsTooOld,
            acceptsAbsence: item.policy.absent == .apply || terms.policy == .localWins, isResend: false,
            isRepair: true, recordExpiresAt: end)
    }

    /// What came of the pushes of the last step.
    mutating func weighed(_ answers: [BucketAnswer]) {
        guard isAnswered(answers.count, of: askedByPush.count) else { return }
        for (asked, answer) in zip(askedByPush, answers) {
            switch answer {
            case .failed(let error): for index in asked { refuse(index, error) }
            case .weighed(_, let verdicts):
                guard isAnswered(verdicts.count, of: asked.count) else { return }
                for (index, verdict) in zip(asked, verdicts) { weigh(verdict, index) }
            }
        }
    }

    /// What would come of the pushes of the last step, from what the remote holds for their keys.
    mutating func forecast(_ pushes: [BucketPush], _ views: [RemoteView]) {
        let writes = pushes.flatMap { push in push.writes.map { (write: $0, now: push.now) } }
        guard isAnswered(views.count, of: writes.count) else { return }
        for ((index, weighed), view) in zip(zip(askedByPush.joined(), writes), views) {
            weigh(VerdictForecast(write: weighed.write, view: view, now: weighed.now).verdict(), index)
            if case .inspect = items[index].phase { items[index].phase = .done(.remoteWon) }
        }
    }

    private mutating func refuse(_ index: Int, _ error: CacheError) {
        guard error.concernsOneChange else {
            failure = failure ?? error
            return
        }
        refusal = refusal ?? error
        items[index].phase = .done(.failed)
    }

    private mutating func weigh(_ verdict: Verdict, _ index: Int) {
        switch verdict {
        case .applied: items[index].phase = .done(items[index].raises > 0 ? .localWon : .applied)
        case .already: items[index].phase = .done(.already)
        case .clash: items[index].phase = .done(.clash)
        case .tooOld: items[index].phase = .done(.tooOld)
        case .failed(let error): refuse(index, error)
        case .stale(let record): weighStale(record, index)
        case .foreign(let seen): weighForeign(seen, index)
        case .absent:
            items[index].phase = terms.policy == .remoteWins ? .inspect(.absent) : .done(.absent)
        }
    }

    private mutating func weighStale(_ record: RemoteRecord, _ index: Int) {
        let entry = items[index].change.entry
        let own = entry.value.flatMap { try? ValueFingerprint(of: $0, form: entry.form) } ?? .none
        if (record.kind == .tombstone) == entry.isTombstone, record.fingerprint == own {
            // This very value under another version: it was sent under an older node id, or by a copy of this file.
            items[index].phase = .done(.already)
        } else if record.version.node == terms.node {
            items[index].phase = .done(.superseded)
        } else if terms.policy == .localWins, items[index].raises < Self.mostRaises {
            items[index].raises += 1
            items[index].phase = .stamp(above: record.version)
        } else {
            items[index].phase = terms.policy == .remoteWins ? .inspect(.stale) : .done(.newer)
        }
    }

    private mutating func weighForeign(_ seen: ValueFingerprint, _ index: Int) {
        if terms.policy == .localWins, items[index].raises < Self.mostRaises {
            // Sent again on condition of what was seen.
            items[index].raises += 1
            items[index].base = [seen] + items[index].change.entry.base.prefix(1)
            items[index].phase = .send
        } else {
            items[index].phase = terms.policy == .remoteWins ? .inspect(.foreign) : .done(.foreign)
        }
    }
}
