internal import CacheKit
internal import CacheKitCore
internal import Logging
internal import Synchronization

/// Listens to one sentinel for switches of the master, on a thread and a connection of its own; to another one when that
/// one is gone or silent.
///
/// It begins with the first connection of the store and ends with it.
final class SentinelSubscription: Sendable {
    /// What one sentinel has for connecting, subscribing and being asked.
    private static let patience = Duration.seconds(1)
    /// Without a message for so long, a `PING` is sent; without an answer for as long again, another sentinel is taken.
    private static let silence = Duration.seconds(1)

    private let directory: SentinelDirectory
    private let backoff: Backoff
    private let logger: Logger
    private let wakeup: Wakeup?
    private let state = Mutex(State())

    private struct State {
        var isStarted = false
        var isClosed = false
        var onMaster: (@Sendable (_ master: RedisEndpoint, _ isNews: Bool) -> Void)?
    }

    init(directory: SentinelDirectory, backoff: Backoff, logger: Logger) {
        self.directory = directory
        self.backoff = Backoff(first: backoff.first, longest: min(backoff.longest, .seconds(1)))
        self.logger = logger
        wakeup = Wakeup()
    }

    /// What to do with the master's place, as the sentinels say it now, and as news where it was announced; called on the
    /// subscription's thread.
    func notify(_ onMaster: @escaping @Sendable (_ master: RedisEndpoint, _ isNews: Bool) -> Void) {
        state.withLock { $0.onMaster = onMaster }
    }

    /// Begins, if it has not yet.
    func start() {
        let begins = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted && !state.isClosed
        }
        guard begins else { return }
        do throws(CacheError) {
            guard let wakeup else {
                throw CacheError(.remoteUnavailable, "no pipe for the subscription; raise the limit of open files")
            }
            try IOThread.start { self.run(wakeup) }
        } catch {
            state.withLock { $0.isStarted = false }
            logger.warning("no subscription to a sentinel: a failover is noticed late", metadata: ["error": "\(error)"])
        }
    }

    /// Ends the thread, soon.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.onMaster = nil
        }
        wakeup?.wake()
    }

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    private func run(_ wakeup: Wakeup) {
        var failures = 0
        while !isClosed {
            for sentinel in directory.sentinels where !isClosed {
                let began = ContinuousClock.now
                do throws(CacheError) {
                    try listen(to: sentinel, wakeup)
                } catch {
                    logger.debug("the subscription to a sentinel ended", metadata: ["error": "\(error)"])
                }
                // One that takes the subscription and hangs up at once counts like one that does not.
                if began.duration(to: .now) > Self.patience * 2 { failures = 0 }
            }
            guard !isClosed else { return }
            // Only closing wakes it.
            let wait = backoff.wait(afterFailures: failures, fraction: .random(in: 0..<1))
            _ = Poll.wait(wakeup.descriptor, for: .reading, until: .now + wait)
            failures += 1
        }
    }

    /// Subscribes, then asks, because an announcement may have been missed; then waits for announcements until closed.
    private func listen(to sentinel: RedisEndpoint, _ wakeup: Wakeup) throws(CacheError) {
        let deadline = ContinuousClock.now + Self.patience
        let opened = try directory.open(sentinel, deadline: deadline)
        var subscribe = RESPWriter()
        subscribe.command(["SUBSCRIBE"] + SentinelReplies.channels)
        // One command, and a reply for each channel: the others are read as messages.
        try opened.exchange.perform(subscribe, deadline: deadline) { _, reply throws(CacheError) in
            if case .error(let text) = reply { throw .redisReply(text) }
        }
        guard let master = try directory.confirm(with: sentinel, deadline: deadline) else { throw .sentinelsBehind() }
        logger.debug("subscribed to a sentinel", metadata: ["sentinel": "\(sentinel)"])
        announce(master, isNews: false)
        try receive(opened, from: sentinel, wakeup)
    }

    private func receive(
        _ opened: OpenedStream, from sentinel: RedisEndpoint, _ wakeup: Wakeup
    ) throws(CacheError) {
        var ping = RESPWriter()
        ping.command("PING")
        var isPinged = false
        var silentSince = ContinuousClock.now
        while !isClosed {
            while let message = try opened.reader.next() {
                switch SentinelReplies.event(message, about: directory.master) {
                case .switched(let master):
                    directory.learn(master, from: sentinel)
                    announce(master, isNews: true)
                case .promoted:
                    if let master = try directory.confirm(with: sentinel, deadline: .now + Self.patience) {
                        announce(master, isNews: true)
                    }
                case nil: break
                }
            }
            let until = silentSince + Self.silence
            // What was received already makes no descriptor ready.
            let isHolding = opened.stream.holdsReceivedBytes
            let ready = Poll.wait(
                stream: opened.stream.descriptor, writing: false, wakeup: wakeup.descriptor,
                until: isHolding ? .now : until)
            if ready.isReadable || isHolding {
                try opened.exchange.receive()
                isPinged = false
                silentSince = .now
            } else if ContinuousClock.now >= until {
                guard !isPinged else { throw .redisTimeout() }
                isPinged = true
                silentSince = .now
                try opened.exchange.send(ping, deadline: until + Self.silence)
            }
        }
    }

    private func announce(_ master: RedisEndpoint, isNews: Bool) {
        // Whoever asked meanwhile may have got a newer answer.
        guard directory.latestMaster == master else { return }
        state.withLock { $0.onMaster }?(master, isNews)
    }
}
