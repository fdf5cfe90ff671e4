/// How much was done under the kills: what never happens is never interrupted either.
struct CrashWork {
    /// The rounds asked for.
    let rounds: Int
    var done = 0
    /// Children that started on a log that a kill left.
    var hotStarts = 0

    /// Bounds far below what is usual. A few rounds alone, as under the sanitizers, only have to write.
    func isEnough(_ ledger: CrashLedger, _ ring: RotatingRing) -> Bool {
        guard ledger.acknowledged > 10 * rounds else { return false }
        guard rounds >= 10 else { return true }
        return ledger.resealed >= rounds && ledger.evicted >= rounds / 2 && ring.promotions >= rounds / 5
            && ring.retirements >= rounds / 10 && hotStarts >= rounds / 10
    }

    func summary(_ ledger: CrashLedger, _ ring: RotatingRing) -> String {
        "\(done) rounds, \(hotStarts) of them on a log that a kill left: \(ledger.acknowledged) changes acknowledged, "
            + "\(ledger.unsaid) found that were not, \(ledger.resealed) values sealed anew, \(ledger.evicted) keys evicted, "
            + "\(ring.promotions) keys promoted, \(ring.retirements) retirements"
    }
}
