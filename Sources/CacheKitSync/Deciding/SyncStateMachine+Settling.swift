import CacheKit
import CacheKitCore

/// What becomes durable, and counts.
extension SyncStateMachine {
    /// What can be made durable: the outcomes of a finished delivery; marks alone only when nothing else is to be done.
    mutating func settlement() -> Settlement? {
        let isQuiet = prepared == nil && !isInFlight && hasReachedEnd && stop == nil
        let through = isUnsettled ? sending.watermark : passable
        let marks = keptMarks(through)
        guard
            through > sending.watermark || (isFinished || isQuiet) && !marks.isEmpty || !setAsideAgain.isEmpty
        else {
            isFinished = false
            return nil
        }
        var settlement = Settlement(through: through)
        for change in setAside where change.sequence <= through {
            switch change.outcome {
            case .deadLettered(let error):
                settlement.deadLetters.append(DeadLetter(sequence: change.sequence, key: change.key, reason: error))
            case .parked(let reason):
                settlement.parked.append(ParkedChange(sequence: change.sequence, key: change.key, reason: reason))
            default: break
            }
        }
        settlement.parked += setAsideAgain
        if !marks.isEmpty { settlement.marks = RemoteMarks(bucketCount: ledger.bucketCount, sequences: marks) }
        settlingMarks = marks
        settlingThrough = through
        return settlement
    }

    /// Up to where the watermark may move: below the first change that is held back.
    private var passable: ChangeSequence {
        guard doneThrough > sending.watermark else { return sending.watermark }
        return min(doneThrough, heldBack.first.map { ChangeSequence($0.number - 1) } ?? doneThrough)
    }

    /// Marks to be kept. One above the watermark would vouch for what is read and sent again after a crash.
    private func keptMarks(_ through: ChangeSequence) -> [Int: UInt64] {
        if ledger.isUnknown { return [:] }
        guard !heldBack.changes.isEmpty else { return dirtyMarks }
        return dirtyMarks.filter { $0.value <= MarkLedger.mark(of: through.number) }
    }

    /// A delivery could not be finished: where that took too long, the next ones are smaller.
    mutating func failed(_ delivery: Delivery, _ error: CacheError, _ fraction: Double) {
        if error.code == .remoteTimeout, delivery.items.count > 1 {
            changeBound.timedOut(at: delivery.items.count)
            byteBound.timedOut(at: delivery.items.reduce(0) { $0 + ($1.change.entry.value?.count ?? 0) })
        }
        failed(error, fraction: fraction)
    }

    /// Every change of a delivery has its outcome, or waits for its shard.
    mutating func finish(_ delivery: Delivery) {
        changeBound.succeeded()
        byteBound.succeeded()
        // Something may have been committed meanwhile.
        hasReachedEnd = false
        if delivery.terms.isResend {
            for item in delivery.items {
                if case .away = item.phase { rewind?.leave(item.bucket) } else { outcomes.resent += 1 }
            }
            return
        }
        if delivery.terms.wereHeldBack {
            isRetrying = false
        } else if !isUnsettled {
            doneThrough = max(doneThrough, delivery.last)
        }
        for item in delivery.items {
            let change = item.change
            switch item.phase {
            case .away:
                heldBack.hold(
                    change.key,
                    HeldBack.Place(
                        sequence: change.entry.sequence, bucket: item.bucket,
                        bytes: change.entry.value?.count ?? 0))
            case .done(let outcome):
                if heldBack.changes[change.key].map({ $0.sequence <= change.entry.sequence }) ?? false {
                    heldBack.release(change.key)
                }
                guard !isUnsettled, !outcome.isFinalHere else { continue }
                if outcome == .expired { expiredUnsettled += 1 }
                if outcome.isSetAside { setAside.append((change.entry.sequence, change.key, outcome)) }
            default: break
            }
        }
        if !isUnsettled { isFinished = true }
    }

    /// Whatever becomes of the batch, these have their outcome: what took their place is durable.
    mutating func countFinal(_ delivery: Delivery) {
        for item in delivery.items {
            if case .done(.lost(let loss)) = item.phase { outcomes.count(loss) }
        }
    }

    /// The settlement is durable, and passed so many changes that still stood: whatever was sent of others, they were overwritten
    /// before that was settled, and the store has counted them.
    mutating func settled(passed: Int) {
        let parked = setAside.count { $0.sequence <= settlingThrough && $0.outcome.isParked }
        let deadLettered = setAside.count { $0.sequence <= settlingThrough && !$0.outcome.isParked }
        // While some are held back, nobody knows which of those that were passed had expired.
        let expired = heldBack.changes.isEmpty ? expiredUnsettled : 0
        outcomes.parked += parked
        outcomes.deadLettered += deadLettered
        outcomes.expired += expired
        outcomes.applied += passed - parked - deadLettered - expired
        expiredUnsettled -= expired
        sending.watermark = max(sending.watermark, settlingThrough)
        outcomes.parked += setAsideAgain.count
        setAsideAgain = []
        setAside.removeAll { $0.sequence <= sending.watermark }
        if !refusals.isEmpty { refusals = refusals.filter { $0.key > sending.watermark } }
        isFinished = false
        for (bucket, mark) in settlingMarks ?? [:] where dirtyMarks[bucket] == mark { dirtyMarks[bucket] = nil }
        settlingMarks = nil
        if stop == nil { succeed() }
    }

    /// Everything so far has an outcome: what failed on the way is over.
    mutating func succeed() {
        lastError = heldBack.error
        backoff.reset()
    }
}
