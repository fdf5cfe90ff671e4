internal import CacheKitCore

/// What came of asking sentinels one after the other; decides whose answer counts, or why there is none.
struct SentinelRound {
    /// The epoch of the answer that was used last: an older one comes from a sentinel that was cut off from the others.
    let knownEpoch: UInt64
    /// The newest answer, and whose it is.
    private(set) var best: (answer: SentinelAnswer, sentinel: RedisEndpoint)?
    private var isAnyUnknowing = false
    private var refusal: CacheError?
    private var failure: CacheError?

    init(knownEpoch: UInt64) {
        self.knownEpoch = knownEpoch
    }

    /// Whether the best answer is new enough not to ask further. Else all are asked, and the newest counts: sentinels
    /// that were set up anew count from zero again.
    var isDecided: Bool { best.map { $0.answer.epoch >= knownEpoch } ?? false }

    /// Notes an answer; `nil` where the sentinel does not know the master.
    mutating func note(_ answer: SentinelAnswer?, from sentinel: RedisEndpoint) {
        guard let answer else {
            isAnyUnknowing = true
            return
        }
        if let best, best.answer.epoch >= answer.epoch { return }
        best = (answer, sentinel)
    }

    /// Notes that a sentinel gave none.
    mutating func note(_ error: CacheError) {
        if error.code == .remoteAuthentication {
            refusal = error
        } else {
            failure = error
        }
    }

    /// Why there is no answer: first what can be mended by configuration.
    var error: CacheError {
        if let refusal { return .sentinelsRefuse(refusal) }
        if isAnyUnknowing { return .sentinelsUnknowing(areAllAsked: failure == nil) }
        return .sentinelsSilent(failure)
    }
}
