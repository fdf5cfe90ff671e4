import CacheKit
import CacheKitCore

/// What marks say, and how what buckets lost is sent again.
extension SyncStateMachine {
    @discardableResult
    mutating func weigh(_ found: UInt64?, bucket: Int) -> MarkLedger.Finding {
        let finding = ledger.weigh(found, bucket: bucket, sentThrough: sending.sentThrough)
        if finding == .lost { losses += 1 }
        switch finding {
        case .asExpected: break
        case .lost where !policies.repopulates:
            ledger.forget(bucket)
            dirtyMarks[bucket] = ledger.expected[bucket]
        // Above the watermark are changes that were there, and may be gone.
        case .lost where !heldBack.changes.isEmpty: stop = stop ?? .loss
        // What was sent again may be gone, too: from the beginning.
        case .lost where rewind?.starts[bucket] != nil: rewind = nil
        case .lost: break
        case .higher: stop = stop ?? .identity
        }
        return finding
    }

    /// A part of what was settled was read: the delivery of what was lost of it, if there is any.
    mutating func rewound(_ changes: [Change], now: Timestamp, bucket: (CacheKey) -> Int) -> Delivery? {
        isRewindsTurn = false
        var missing = rewind?.missing(of: changes, bucket: bucket, policy: policies.policy(for:)) ?? []
        // Durable before the buckets get their marks back: nobody would look for these again.
        setAsideAgain += missing.filter(\.entry.needsKey).map {
            ParkedChange(sequence: $0.entry.sequence, key: $0.key, reason: .needsKey)
        }
        missing.removeAll(where: \.entry.needsKey)
        rewind?.read(through: changes.last?.entry.sequence)
        guard !missing.isEmpty else { return nil }
        return Delivery(
            missing, terms(isResend: true), [:], now: now, bucket: bucket, policy: policies.policy(for:))
    }

    /// The step that sending again has come to; marks are planted and restored while nothing is in flight.
    mutating func rewindStep(now: Timestamp) -> Rewind.Step? {
        if rewind == nil, !isInFlight {
            rewind = Rewind(ledger.lost.filter { !isPaused($0.key) }, through: sending.watermark)
        }
        guard let rewind else { return nil }
        switch rewind.stage {
        case .planting where !isInFlight: return .plant(plants(now))
        case .sending: return .load(after: rewind.cursor, through: rewind.through)
        case .restoring where !isInFlight: return .restore(restores(now))
        case .planting, .restoring: return nil
        }
    }

    /// A mark for each bucket that has none.
    private mutating func plants(_ now: Timestamp) -> [BucketPush] {
        let bare = ledger.lost.filter { $0.value.floor == 0 && rewind?.starts[$0.key] != nil }.keys.sorted()
        rewind?.marks = bare.map { ($0, 1) }
        return bare.map { push($0, expecting: 0, leaving: 1, now) }
    }

    /// The marks at the end.
    private mutating func restores(_ now: Timestamp) -> [BucketPush] {
        let buckets = (rewind?.starts ?? [:]).keys.sorted()
        let marks = buckets.map { bucket in
            (bucket, max(MarkLedger.mark(of: sending.watermark.number), ledger.expected[bucket] ?? 0))
        }
        rewind?.marks = marks
        return marks.map { push($0.0, expecting: ledger.lost[$0.0]?.floor ?? 0, leaving: $0.1, now) }
    }

    private func push(_ bucket: Int, expecting: UInt64, leaving: UInt64, _ now: Timestamp) -> BucketPush {
        BucketPush(
            bucket: bucket, writes: [], node: sending.node, expectedMark: expecting, mark: leaving,
            recordsMayBeLost: true, now: now)
    }

    /// Marks were planted, but where there was one already.
    mutating func planted(_ answers: [BucketAnswer]) {
        noteAway(rewind?.marks.map(\.bucket) ?? [], answers)
        for (planted, answer) in zip(rewind?.marks ?? [], answers) {
            switch answer {
            case .failed: rewind?.leave(planted.bucket)
            case .weighed(let found, _):
                let isPlanted = weigh(found, bucket: planted.bucket) == .asExpected
                ledger.acknowledged(0, bucket: planted.bucket, mark: planted.mark, moved: isPlanted)
            }
        }
        rewind?.planted()
    }

    /// Buckets whose shard is away are left for another time; where it is more than that, so is everything.
    private mutating func noteAway(_ buckets: [Int], _ answers: [BucketAnswer]) {
        var away: [Int: CacheError] = [:]
        for case (let bucket, .failed(let error)) in zip(buckets, answers) { away[bucket] = error }
        if let error = note(answered: Set(buckets).subtracting(away.keys), away: away, fraction: 1) {
            failed(error, fraction: 1)
        }
    }

    /// The buckets got their marks back, but for those that lost something again.
    mutating func restored(_ answers: [BucketAnswer]) {
        let marks = rewind?.marks ?? []
        rewind = nil
        noteAway(marks.map(\.bucket), answers)
        for (restored, answer) in zip(marks, answers) {
            switch answer {
            case .failed: break
            case .weighed(let found, _):
                guard weigh(found, bucket: restored.bucket) == .asExpected else { continue }
                ledger.recovered(restored.bucket, mark: restored.mark)
                losses += 1
                dirtyMarks[restored.bucket] = restored.mark
            }
        }
    }

    /// Whether a bucket has lost records, or nobody knows: its marks were not compared since that may have happened.
    func mayHaveLost(_ bucket: Int) -> Bool {
        needsMarks || isKnownToMiss(bucket)
    }

    /// Whether a bucket has lost records, or its shard was away since its marks were compared.
    func isKnownToMiss(_ bucket: Int) -> Bool { uncompared.contains(bucket) || ledger.lost[bucket] != nil }
}
