internal import CacheKitCore
internal import Logging
internal import Synchronization

/// The sentinels that are known, and what they say of the master. Its calls block: for I/O threads only.
final class SentinelDirectory: Sendable {
    /// How long each sentinel has in the first round; who is only slow gets a share of what remains in the second.
    private static let firstPatience = Duration.milliseconds(500)
    private static let maximumThreads = 4
    /// Answers of sentinels are short; the list of 64 of them has about 40 KiB.
    private static let maximumValueBytes = 64 << 10

    let master: String
    private let given: [RedisEndpoint]
    private let dialer: Dialer
    private let login: SentinelLogin
    private let logger: Logger
    private let state: Mutex<State>

    fileprivate struct State {
        /// In the order in which they are asked.
        var sentinels: [RedisEndpoint]
        /// Where the master is, by the answer or announcement that came last.
        var master: RedisEndpoint?
        /// The epoch of the answer that was used last.
        var epoch: UInt64 = 0
        /// Threads that ask for tasks.
        var threadCount = 0
        /// Whether the log was told that nobody knows the master.
        var isLost = false
    }

    init(master: String, sentinels: [RedisEndpoint], dialer: Dialer, login: SentinelLogin, logger: Logger) {
        self.master = master
        self.dialer = dialer
        self.login = login
        self.logger = logger
        given = sentinels.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        state = Mutex(State(sentinels: given))
    }

    /// The sentinels, in the order in which they are asked.
    var sentinels: [RedisEndpoint] { state.withLock { $0.sentinels } }

    /// Asks one after the other where the master is, the one that answered last first.
    func findMaster(deadline: ContinuousClock.Instant) throws(CacheError) -> RedisEndpoint {
        let login = try login.login(deadline: deadline)
        var round = SentinelRound(knownEpoch: state.withLock { $0.epoch })
        ask(&round, login, deadline: deadline)
        guard let (answer, sentinel) = round.best else {
            let error = round.error
            if state.withLock({ $0.loseMaster() }) {
                logger.warning("no sentinel says where the Redis master is", metadata: ["error": "\(error)"])
            }
            throw error
        }
        use(answer, from: sentinel)
        return answer.master
    }

    /// Asks on a thread of its own: for tasks.
    func master(within timeout: Duration) async throws(CacheError) -> RedisEndpoint {
        let mayAsk = state.withLock { state in
            guard state.threadCount < Self.maximumThreads else { return false }
            state.threadCount += 1
            return true
        }
        guard mayAsk else { throw .redisBackPressure() }
        let found = OneShot<RedisEndpoint>()
        do throws(CacheError) {
            try IOThread.start {
                do throws(CacheError) {
                    found.finish(.success(try self.findMaster(deadline: .now + timeout)))
                } catch {
                    found.finish(.failure(error))
                }
                self.state.withLock { $0.threadCount -= 1 }
            }
        } catch {
            state.withLock { $0.threadCount -= 1 }
            throw error
        }
        return try await found.value()
    }

    private func ask(_ round: inout SentinelRound, _ login: Login, deadline: ContinuousClock.Instant) {
        var next = sentinels
        for isLast in [false, true] {
            var slow: [RedisEndpoint] = []
            for (position, sentinel) in next.enumerated() {
                // A share is left for connecting to the master.
                let share = ContinuousClock.now.duration(to: deadline) / (next.count - position + 1)
                guard share > .zero else { return round.note(.redisConnectTimeout()) }
                let until = ContinuousClock.now + (isLast ? share : min(share, Self.firstPatience))
                do throws(CacheError) {
                    round.note(try ask(sentinel, login, deadline: until), from: sentinel)
                    guard !round.isDecided else { return }
                } catch {
                    if error.code == .remoteTimeout, !isLast { slow.append(sentinel) } else { round.note(error) }
                }
            }
            guard round.best == nil else { return }
            next = slow
        }
    }

    /// Where a sentinel says the master is, unless others know better; `nil` then.
    func confirm(with sentinel: RedisEndpoint, deadline: ContinuousClock.Instant) throws(CacheError) -> RedisEndpoint? {
        guard let answer = try ask(sentinel, try login.login(deadline: deadline), deadline: deadline) else {
            return nil
        }
        if answer.epoch >= state.withLock({ $0.epoch }) {
            use(answer, from: sentinel)
            return answer.master
        }
        return try findMaster(deadline: deadline) == answer.master ? answer.master : nil
    }

    /// Where the master is, by what was heard last.
    var latestMaster: RedisEndpoint? { state.withLock { $0.master } }

    /// A sentinel has announced a switch: it is asked first from now on, because others may hear of it later.
    func learn(_ master: RedisEndpoint, from sentinel: RedisEndpoint) {
        state.withLock { state in
            state.master = master
            state.prefer(sentinel)
        }
    }

    /// Asks the sentinel that answered last after all others: the server that it named is no master.
    func doubtLastAnswer() {
        state.withLock { $0.sentinels.append($0.sentinels.removeFirst()) }
    }

    /// Connects to a sentinel and logs in.
    func open(_ sentinel: RedisEndpoint, deadline: ContinuousClock.Instant) throws(CacheError) -> OpenedStream {
        try open(sentinel, try login.login(deadline: deadline), deadline: deadline)
    }

    private func open(
        _ sentinel: RedisEndpoint, _ login: Login, deadline: ContinuousClock.Instant
    ) throws(CacheError) -> OpenedStream {
        try dialer.open(at: sentinel, login, valueBytes: Self.maximumValueBytes, deadline: deadline)
    }

    private func ask(
        _ sentinel: RedisEndpoint, _ login: Login, deadline: ContinuousClock.Instant
    ) throws(CacheError) -> SentinelAnswer? {
        let exchange = try open(sentinel, login, deadline: deadline).exchange
        // The stream closes with the last reference to it, at the end of this call.
        let replies = try exchange.ask(SentinelReplies.question(about: master), deadline: deadline)
        return try SentinelReplies.answer(replies, maximumSentinels: RedisURL.maximumEndpoints)
    }

    private func use(_ answer: SentinelAnswer, from sentinel: RedisEndpoint) {
        let wasLost = state.withLock { state in
            defer { state.isLost = false }
            state.master = answer.master
            state.epoch = answer.epoch
            state.sentinels = SentinelDirectory.merge(
                state.sentinels, given: given, learned: answer.sentinels, answering: sentinel)
            return state.isLost
        }
        if wasLost { logger.notice("a sentinel says again where the Redis master is") }
    }

    /// Those given and those that the answering one knows, in the order that there was, the answering one first.
    static func merge(
        _ present: [RedisEndpoint], given: [RedisEndpoint], learned: [RedisEndpoint], answering: RedisEndpoint
    ) -> [RedisEndpoint] {
        let known = Set(given).union(learned)
        var merged = [answering]
        var seen = Set(merged)
        for sentinel in present.filter(known.contains) + given + learned {
            guard merged.count < RedisURL.maximumEndpoints else { break }
            if seen.insert(sentinel).inserted { merged.append(sentinel) }
        }
        return merged
    }
}

extension SentinelDirectory.State {
    fileprivate mutating func prefer(_ sentinel: RedisEndpoint) {
        guard let position = sentinels.firstIndex(of: sentinel) else { return }
        sentinels.insert(sentinels.remove(at: position), at: 0)
    }

    /// Notes that nobody knows the master; `true` the first time.
    fileprivate mutating func loseMaster() -> Bool {
        defer { isLost = true }
        return !isLost
    }
}
