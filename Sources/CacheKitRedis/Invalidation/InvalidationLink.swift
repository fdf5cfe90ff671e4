internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// What tells of changed keys of one master: a connection of its own that listens, and the shared connection, whose
/// tracking is redirected to it so that what is written over that one is not told.
///
/// Reports ``RemoteInvalidation/everything`` whenever tracking begins and whenever either connection ends.
final class InvalidationLink: Sendable {
    private enum Tracking: Equatable {
        case off
        /// Asked for; the number tells this time from others.
        case asked(UInt64)
        case on
    }

    private struct State {
        var isEnded = false
        var subscription: Subscription?
        /// The server's number of the listening connection.
        var subscriber: Int64?
        var connection: RedisConnection?
        var tracking = Tracking.off
        var rounds: UInt64 = 0
        /// Why changes are not heard of.
        var failure: CacheError?
        /// Whether that is because the server refuses to tell.
        var isRefused = false
        /// What this listening connection was refused.
        var refusal: CacheError?
        /// Whether changes were ever heard of on this listening connection.
        var hasTracked = false

        /// Notes that the server does not tell, unless that passes by itself (`LOADING`).
        mutating func note(_ error: CacheError) {
            if error.code == .remoteAuthentication || error.code == .remoteRejected { refusal = error }
        }
    }

    /// What a server refuses, it may allow later; nobody is asked more often than that.
    private static let refusedPause: Duration = .seconds(60)

    private let settings: RedisNode.Settings
    private let prefixes: TrackedPrefixes
    private let report: @Sendable (RemoteInvalidation) -> Void
    private let state = Mutex(State())

    init(
        settings: RedisNode.Settings, prefixes: TrackedPrefixes,
        report: @escaping @Sendable (RemoteInvalidation) -> Void
    ) {
        self.settings = settings
        self.prefixes = prefixes
        self.report = report
    }

    /// Whether there is no shared connection.
    var lacksConnection: Bool { state.withLock { $0.connection == nil } }

    /// Whether changes are heard of. A master to which there is no shared connection has given nothing that could be held,
    /// unless the connection `needs` to be there because it is the only one.
    func following(needsConnection needs: Bool) -> RemoteFollowing {
        state.withLock { state in
            if state.isRefused, let failure = state.failure { return .refused(failure) }
            let isHeard = state.subscriber != nil && (state.tracking == .on || state.connection == nil && !needs)
            return isHeard ? .active : .lost(state.failure ?? .redisNotFollowed())
        }
    }

    // MARK: The shared connection

    func connected(_ connection: RedisConnection) {
        state.withLock { state in
            state.connection = connection
            state.tracking = .off
        }
        track()
    }

    func lost(_ connection: RedisConnection) {
        let wasCurrent = state.withLock { state in
            guard state.connection === connection else { return false }
            state.connection = nil
            state.tracking = .off
            return true
        }
        if wasCurrent { report(.everything) }
    }

    /// Asks for tracking once both connections are there.
    private func track() {
        let next = state.withLock { state -> (RedisConnection, Int64, UInt64)? in
            guard !state.isEnded, let connection = state.connection, let subscriber = state.subscriber else {
                return nil
            }
            state.rounds += 1
            state.tracking = .asked(state.rounds)
            return (connection, subscriber, state.rounds)
        }
        guard let (connection, subscriber, round) = next else { return }
        // Begun here and not in the task: on a new connection it goes before every read.
        let result = connection.begin(prefixes.tracking(redirectedTo: subscriber))
        Task.detached { [self] in
            do throws(CacheError) {
                settle(round, try await result.value().last)
            } catch {
                switch error.code {
                // It may track or not.
                case .remoteTimeout, .backPressure: unsubscribe(round, because: error)
                // It has ended, which may have been said before it came here.
                default: lost(connection)
                }
            }
        }
    }

    private func settle(_ round: UInt64, _ reply: RESPValue?) {
        switch reply {
        case .simpleString:
            let isCurrent = state.withLock { state in
                guard state.tracking == .asked(round) else { return false }
                state.tracking = .on
                state.hasTracked = true
                state.failure = nil
                state.isRefused = false
                return true
            }
            if isCurrent { report(.everything) }
        // The listening connection may just have gone, or be another server's.
        case .error(let text) where text.contains("redirect"): unsubscribe(round, because: .redisClosed())
        case .error(let text): unsubscribe(round, because: .redisReply(text))
        default: unsubscribe(round, because: .redisUnexpectedReply())
        }
    }

    /// Ends the listening connection, which makes another one.
    private func unsubscribe(_ round: UInt64, because error: CacheError) {
        let subscription = state.withLock { state -> Subscription? in
            guard state.tracking == .asked(round) else { return nil }
            state.note(error)
            return state.subscription
        }
        subscription?.end()
    }

    // MARK: The listening connection

    /// Listens, and again after each loss, until the task is cancelled or the link ended.
    func run() async {
        defer { end() }
        var backoff = settings.breaker.backoff
        while !Task.isCancelled, !state.withLock({ $0.isEnded }) {
            if await listen() { backoff.reset() }
            let (isRefused, failure) = state.withLock { ($0.isRefused, $0.failure) }
            var wait = isRefused ? Self.refusedPause : backoff.next(fraction: .random(in: 0..<1))
            // A wrong password does not mend itself, and tries with one may lock the user out.
            if failure?.code == .remoteAuthentication { wait = max(wait, .seconds(1)) }
            guard (try? await Task.sleep(for: wait)) != nil else { return }
        }
    }

    /// Ends the link; reports nothing from now on but what is under way.
    func end() {
        let subscription = state.withLock { state in
            state.isEnded = true
            return state.subscription
        }
        subscription?.end()
    }

    /// One connection, from its beginning to its end; says whether changes were heard of on it.
    private func listen() async -> Bool {
        let ended = OneShot<Void>()
        var failure: CacheError?
        state.withLock { ($0.refusal, $0.hasTracked) = (nil, false) }
        do {
            var settings = settings
            if let provider = settings.credentials { settings.login.credentials = try await provider() }
            let complete = settings
            try IOThread.start { [self] in
                do throws(CacheError) {
                    ended.finish(.success(try subscribe(complete)))
                } catch {
                    ended.finish(.failure(error))
                }
            }
            try await ended.value()
        } catch {
            failure = RedisNode.credentialsError(error)
        }
        let (hasTracked, subscription) = state.withLock { state in
            defer {
                state.subscription = nil
                state.subscriber = nil
                state.tracking = .off
            }
            // A refusal says more than the end that it led to.
            state.isRefused = state.refusal != nil
            state.failure = state.refusal ?? failure
            return (state.hasTracked, state.subscription)
        }
        // A task that was cancelled did not wait for the thread, which would listen for ever.
        subscription?.end()
        if hasTracked { report(.everything) }
        return hasTracked
    }

    /// The life of the listening thread.
    private func subscribe(_ settings: RedisNode.Settings) throws(CacheError) {
        let subscription = try Subscription(settings)
        let isEnded = state.withLock { state in
            state.subscription = subscription
            return state.isEnded
        }
        guard !isEnded else { return }
        try subscription.run(
            onSubscribed: { number in
                state.withLock { $0.subscriber = number }
                track()
            },
            onRefused: { error in state.withLock { $0.note(error) } }, onInvalidation: report,
            onHeartbeat: {
                // A shared connection that nobody uses must not be dead without anyone knowing.
                var writer = RESPWriter()
                writer.command("PING")
                _ = state.withLock { $0.connection }?.begin(CommandBatch(writer, isIdempotent: true))
            })
    }
}
