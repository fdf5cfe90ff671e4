public import CacheKit
public import CacheKitCore
import Synchronization

/// What a store was told to do wrong, and which call is the next to suffer from it.
///
/// A store of your own that is to fail on demand has one of these, asks it with ``before(_:)`` at the start of every call, and
/// gets its words, such as ``FailsOnDemand/failNext(_:on:after:times:)``, by conforming to ``FailsOnDemand``.
public final class FailurePlan: Sendable {
    private struct Planned {
        let failure: SimulatedFailure
        let calls: StoreCalls
        var spared: Int
        var times: Int
    }

    private struct State {
        var outages: [(failure: SimulatedFailure, calls: StoreCalls)] = []
        var planned: [Planned] = []
        var delays: [(duration: Duration, calls: StoreCalls)] = []
        var failed = 0

        /// An outage goes before what was planned, and uses nothing of it up. What was planned is counted call by call.
        mutating func next(_ call: StoreCalls) -> SimulatedFailure? {
            if let outage = outages.last(where: { !$0.calls.isDisjoint(with: call) }) { return outage.failure }
            var failure: SimulatedFailure?
            for index in planned.indices where !planned[index].calls.isDisjoint(with: call) {
                if planned[index].spared > 0 {
                    planned[index].spared -= 1
                } else if failure == nil {
                    failure = planned[index].failure
                    planned[index].times -= 1
                }
            }
            planned.removeAll { $0.times == 0 }
            return failure
        }
    }

    private let state = Mutex(State())
    private let clock: any CacheClock

    /// Nothing goes wrong yet.
    ///
    /// - Parameter clock: what slow calls wait for.
    public init(clock: any CacheClock) {
        self.clock = clock
    }

    /// Waits for as long as a slow call takes, then says what is wrong with it.
    ///
    /// - Returns: the error with which the call has to end after it took effect; `nil` if nothing is wrong with it.
    /// - Throws: the error with which it has to end without having had any effect.
    public func before(_ call: StoreCalls) async throws(CacheError) -> CacheError? {
        let delay = state.withLock { $0.delays.last { !$0.calls.isDisjoint(with: call) }?.duration }
        if let delay {
            do { try await clock.sleep(for: delay) } catch {
                throw CacheError(.cancelled, "the call was cancelled before it took effect", cause: error)
            }
        }
        let failure = state.withLock { state in
            let failure = state.next(call)
            if failure != nil { state.failed += 1 }
            return failure
        }
        guard let failure else { return nil }
        if failure.takesEffect, call.contains(.writes) { return failure.error }
        throw failure.error
    }

    /// How many calls failed.
    var failedCalls: Int { state.withLock { $0.failed } }

    /// The error that calls of a kind end with at the moment, for those that can't wait to ask ``before(_:)``; `nil` where there is no
    /// outage. What was planned for a next call stays planned.
    public func outage(of call: StoreCalls) -> CacheError? {
        state.withLock { $0.outages.last { !$0.calls.isDisjoint(with: call) }?.failure.error }
    }

    func setOutage(_ failure: SimulatedFailure?, on calls: StoreCalls) {
        state.withLock { state in
            state.outages = state.outages.compactMap { outage in
                let rest = outage.calls.subtracting(calls)
                return rest.isEmpty ? nil : (outage.failure, rest)
            }
            if let failure { state.outages.append((failure, calls)) }
        }
    }

    func failNext(_ failure: SimulatedFailure, on calls: StoreCalls, after spared: Int, times: Int) {
        guard times > 0 else { return }
        state.withLock {
            $0.planned.append(Planned(failure: failure, calls: calls, spared: max(0, spared), times: times))
        }
    }

    func setDelay(_ duration: Duration?, on calls: StoreCalls) {
        state.withLock { state in
            state.delays = state.delays.compactMap { delay in
                let rest = delay.calls.subtracting(calls)
                return rest.isEmpty ? nil : (delay.duration, rest)
            }
            if let duration { state.delays.append((duration, calls)) }
        }
    }

    func recover() { state.withLock { ($0.outages, $0.planned, $0.delays) = ([], [], []) } }
}
