public import CacheKitCore

/// A store that a test can tell to fail: the same words for local and remote stores.
///
/// ```swift
/// local.failNext(.diskFull)                        // the next call, then all is well again
/// local.failNext(.busy, on: .writes, after: 2)     // the third write from now
/// remote.setOutage(.unavailable)                   // every call, until
/// remote.setOutage(nil)                            // it is over
/// remote.failNext(.replyLost, on: .writes)         // the server does it, and nobody hears so
/// remote.setDelay(.seconds(2), on: .reads)         // by the store's clock
/// remote.recover()                                 // forget all of it
/// ```
public protocol FailsOnDemand: Sendable {
    /// What it was told.
    var failures: FailurePlan { get }
}

extension FailsOnDemand {
    /// While set, calls of these kinds fail; `nil` ends that. A later outage takes the place of an earlier one of the same kind.
    public func setOutage(_ failure: SimulatedFailure?, on calls: StoreCalls = .all) {
        failures.setOutage(failure, on: calls)
    }

    /// While set, calls fail with an error of the caller's.
    ///
    /// - Parameter afterApplying: whether writes take effect before that: the lost reply. A remote's upkeep is answered then.
    public func setOutage(_ error: CacheError, afterApplying: Bool = false) {
        failures.setOutage(nil, on: .all)
        failures.setOutage(
            .error(error, takesEffect: afterApplying), on: afterApplying ? [.reads, .writes, .feed] : .all)
    }

    /// Lets one of the next calls of these kinds fail, or several in a row.
    ///
    /// - Parameters:
    ///   - spared: how many calls of these kinds go well before that; 2 fails the third.
    ///   - times: how many fail.
    public func failNext(
        _ failure: SimulatedFailure, on calls: StoreCalls = .all, after spared: Int = 0, times: Int = 1
    ) {
        failures.failNext(failure, on: calls, after: spared, times: times)
    }

    /// Lets every call of these kinds wait before it takes effect, by the store's clock; `nil` ends that.
    public func setDelay(_ duration: Duration?, on calls: StoreCalls = .all) {
        failures.setDelay(duration, on: calls)
    }

    /// Ends every outage and delay, and forgets what was planned.
    public func recover() { failures.recover() }

    /// How many calls have failed because they were told to.
    public var failedCalls: Int { failures.failedCalls }
}
