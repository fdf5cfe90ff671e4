internal import CacheKit
internal import CacheKitCore

/// A connection that only listens for the names of changed keys. Runs on one thread of its own, which may block.
final class Subscription: Sendable {
    /// A message over this ends the connection, which counts as a gap: so much can't be taken in one by one anyway.
    private static let maximumMessageBytes = 16 << 20
    /// After so long without a word the server is asked whether it is there.
    private static let heartbeat: Duration = .seconds(2)
    private static let readsPerTurn = 16

    private let stream: any ByteStream
    private let wakeup: Wakeup
    private let settings: RedisNode.Settings
    private let deadline: ContinuousClock.Instant

    /// Connects. Blocks.
    init(_ settings: RedisNode.Settings) throws(CacheError) {
        guard let wakeup = Wakeup() else {
            throw CacheError(.remoteUnavailable, "no pipe for the Redis connection; raise the limit of open files")
        }
        self.wakeup = wakeup
        self.settings = settings
        deadline = .now + settings.connectTimeout
        stream = try settings.dialer.dial(deadline: deadline)
    }

    /// Ends it, from any thread.
    func end() {
        stream.shutDown()
        wakeup.wake()
    }

    /// Logs in, subscribes and listens until the connection ends. Blocks.
    ///
    /// - Throws: Why it ended.
    func run(
        onSubscribed: (Int64) -> Void, onRefused: (CacheError) -> Void,
        onInvalidation: (RemoteInvalidation) -> Void, onHeartbeat: () -> Void
    ) throws(CacheError) {
        let reader = try RESPReader(maximumValueBytes: Self.maximumMessageBytes)
        try settings.login.perform(on: stream, reader, deadline: deadline)
        var writer = RESPWriter()
        writer.command("CLIENT", "ID")
        writer.command("SUBSCRIBE", SubscriptionMessage.channel)
        try write(writer.bytes)
        var number: Int64?
        var isSubscribed = false
        var silentUntil = deadline
        var isAsked = true
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var hasMore = false
        while true {
            let ready = Poll.wait(
                stream: stream.descriptor, writing: false, wakeup: wakeup.descriptor,
                until: hasMore ? .now : silentUntil)
            if ready.isWoken { throw .redisClosed() }
            if ready.isReadable || hasMore {
                hasMore = try read(into: buffer, reader)
                while let reply = try reader.next() {
                    switch SubscriptionMessage(reply) {
                    case .clientID(let id): number = id
                    case .subscribed:
                        guard let number, !isSubscribed else { continue }
                        isSubscribed = true
                        onSubscribed(number)
                    case .invalidation(let invalidation): onInvalidation(invalidation)
                    case .refused(let text) where !isSubscribed:
                        let error = CacheError.redisReply(text)
                        onRefused(error)
                        throw error
                    case .refused, .other: break
                    }
                }
                guard isSubscribed else { continue }
                silentUntil = .now + Self.heartbeat
                isAsked = false
            } else if silentUntil <= .now {
                guard !isAsked else { throw isSubscribed ? .redisTimeout() : .redisConnectTimeout() }
                var writer = RESPWriter()
                writer.command("PING")
                try write(writer.bytes)
                onHeartbeat()
                silentUntil = .now + settings.limits.commandTimeout
                isAsked = true
            }
        }
    }

    /// Takes what has come, up to a bound; `true` if more may be there, which `poll` need not show: the stream may hold it.
    private func read(into buffer: UnsafeMutableRawBufferPointer, _ reader: RESPReader) throws(CacheError) -> Bool {
        for _ in 0..<Self.readsPerTurn {
            switch stream.read(into: buffer) {
            case .bytes(let count): try reader.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .wouldBlock: return false
            case .endOfStream: throw .redisClosed()
            case .failed(let error): throw error
            }
        }
        return true
    }

    /// A few bytes into an empty buffer: what can't be written at once can't be written.
    private func write(_ bytes: [UInt8]) throws(CacheError) {
        switch bytes.withUnsafeBytes({ stream.write($0) }) {
        case .bytes(bytes.count): return
        case .failed(let error): throw error
        case .bytes, .wouldBlock: throw .redisTimeout()
        case .endOfStream: throw .redisClosed()
        }
    }
}
