import CacheKit
import CacheKitCore

/// How changes are stamped and sent, and what is made of the answers.
extension Delivery {
    /// Which changes need another version; answered by ``restamped(_:)``.
    mutating func stampsNeeded() -> [Restamp] {
        asked = []
        return items.indices.compactMap { index in
            guard case .stamp(let above) = items[index].phase else { return nil }
            asked.append(index)
            return Restamp(
                key: items[index].change.key, sequence: items[index].change.entry.sequence, above: above,
                keepsLife: keepsLife(index))
        }
    }

    /// Whether a change's life begins when it is sent, and so is counted from its version.
    private func keepsLife(_ index: Int) -> Bool {
        !terms.isResend && items[index].policy.pendingKeepsAlive(for: items[index].change.entry)
    }

    /// The new versions; the ends of what was set back move with it.
    mutating func restamped(_ versions: [Version?]) {
        guard versions.count == asked.count else {
            failure = CacheError(.internalFault, "the local store gave another number of versions")
            return
        }
        for (index, version) in zip(asked, versions) {
            guard let version else {
                items[index].phase = .done(.superseded)
                continue
            }
            let old = items[index].change.entry.version
            if case .stamp(above: nil) = items[index].phase, version.time < old.time {
                let difference = old.time.duration(to: version.time)
                items[index].wasSetBack = true
                // A life that would end before it began was not counted from the stamp, and stays as it is.
                if items[index].change.entry.staleAt > old.time { items[index].change.entry.move(by: difference) }
            }
            if case .stamp(above: .some) = items[index].phase, keepsLife(index) {
                items[index].change.entry.raise(to: version)
            } else {
                items[index].change.entry.version = version
            }
            items[index].phase = .send
        }
    }

    mutating func write(_ indices: [Int], at now: Timestamp) -> Step {
        asked = indices
        return .write(
            indices.map { index in
                let key = items[index].change.key
                guard let life = life(of: items[index].change.entry, items[index].policy, at: now),
                    let value = items[index].change.entry.value
                else {
                    items[index].wasExpired = items[index].change.entry.value != nil
                    return RemoteWrite(key: key, action: .delete)
                }
                return RemoteWrite(key: key, action: .put(value, timeToLive: life))
            })
    }

    mutating func push(_ indices: [Int], at now: Timestamp) -> Step {
        var pushes: [BucketPush] = []
        asked = []
        askedByPush = []
        pushed = []
        weighedAt = now
        var open: OpenPush?
        for index in inBucketOrder(indices) {
            let write: VersionedWrite
            do {
                write = try versionedWrite(index, at: now)
            } catch {
                return .failed(error)
            }
            if let full = open, full.bucket != items[index].bucket || full.isFull {
                pushes.append(close(full, now))
                open = nil
            }
            open = open ?? OpenPush(bucket: items[index].bucket)
            open?.add(write, index, items[index].change.entry.sequence.number)
        }
        if let open { pushes.append(close(open, now)) }
        return .push(pushes)
    }

    /// By bucket, and in each as they came: bucket and index as one number, which is what sorts fast.
    private func inBucketOrder(_ indices: [Int]) -> [Int] {
        indices.map { UInt64(items[$0].bucket) << 32 | UInt64($0) }.sorted().map { Int($0 & 0xFFFF_FFFF) }
    }

    /// Makes one push of the writes of a bucket.
    private mutating func close(_ open: OpenPush, _ now: Timestamp) -> BucketPush {
        let isLost = ledger.lost[open.bucket] != nil
        let (expected, mark) = ledger.take(open.bucket, through: open.sequence)
        pushed.append(
            Observation(bucket: open.bucket, found: nil, expected: expected, mark: mark, sequence: open.sequence))
        askedByPush.append(open.indices)
        return BucketPush(
            bucket: open.bucket, writes: open.writes, node: terms.node, expectedMark: expected, mark: mark,
            // What was settled before does not replace what is there without a record.
            recordsMayBeLost: isLost && !terms.isResend, now: now)
    }

    /// What came of the pushes of the last step.
    mutating func weighed(_ answers: [BucketAnswer]) {
        guard answers.count == askedByPush.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of pushes")
            return
        }
        for (position, answer) in answers.enumerated() {
            switch answer {
            case .failed(let error):
                for index in askedByPush[position] { refuse(index, error) }
            case .weighed(let mark, let verdicts):
                guard verdicts.count == askedByPush[position].count else {
                    failure = CacheError(.internalFault, "the remote store gave another number of verdicts")
                    return
                }
                var seen = pushed[position]
                seen.found = mark
                // What it says is not for this node to weigh.
                if (mark ?? 0) >> 16 > max(terms.sentThrough, last).number { needsIdentity = true }
                observations.append(seen)
                answered.insert(seen.bucket)
                for (index, verdict) in zip(askedByPush[position], verdicts) { weigh(verdict, index) }
            }
        }
    }

    /// Writes without versions were answered.
    mutating func written(_ results: [RemoteWriteResult]) {
        guard results.count == asked.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of writes")
            return
        }
        for (index, result) in zip(asked, results) {
            switch result {
            case .applied, .missing:
                items[index].phase = .done(items[index].wasExpired ? .expired : .applied)
                answered.insert(items[index].bucket)
            case .failed(let error): refuse(index, error)
            }
        }
    }

    /// A change was refused by itself, or could not be carried.
    mutating func refuse(_ index: Int, _ error: CacheError) {
        if terms.hasShards, error.concernsOneShard {
            items[index].phase = .away
            away[items[index].bucket] = error
            return
        }
        guard error.concernsOneChange else {
            failure = failure ?? error
            return
        }
        if terms.isResend {
            items[index].phase = .done(.applied)
            return
        }
        let sequence = items[index].change.entry.sequence
        let attempts = refusals[sequence, default: 0] + 1
        refusals[sequence] = attempts
        if attempts >= terms.attemptsPerChange {
            items[index].phase = .done(.deadLettered(error))
        } else {
            firstRefusal = firstRefusal ?? error
            // The others of the batch go on.
            items[index].phase = .refused
        }
    }
}

/// Writes of one bucket that become one push.
private struct OpenPush {
    let bucket: Int
    private(set) var writes: [VersionedWrite] = []
    private(set) var indices: [Int] = []
    /// The highest change.
    private(set) var sequence: UInt64 = 0
    private var byteCount = 0

    init(bucket: Int) {
        self.bucket = bucket
    }

    /// A script call is bounded in keys and bytes; a larger value goes alone.
    var isFull: Bool { writes.count >= 256 || byteCount >= 256 << 10 }

    mutating func add(_ write: VersionedWrite, _ index: Int, _ number: UInt64) {
        if case .put(let value, _) = write.action { byteCount += value.count }
        writes.append(write)
        indices.append(index)
        sequence = max(sequence, number)
    }
}
