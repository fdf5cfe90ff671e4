internal import CacheKitCore

/// Finds the master through the sentinels, and makes sure that it is one.
struct SentinelSource: ServerSource {
    /// The bounds of the pauses between questions while the sentinels name a server that is no master.
    private static let firstPause = Duration.milliseconds(20)
    private static let longestPause = Duration.milliseconds(250)

    let directory: SentinelDirectory
    let subscription: SentinelSubscription

    func open(
        _ settings: RedisNode.Settings, deadline: ContinuousClock.Instant, onTarget: (RedisEndpoint) -> Void
    ) throws(CacheError) -> OpenedStream {
        subscription.start()
        var pause = Self.firstPause
        while true {
            let endpoint = try directory.findMaster(deadline: deadline)
            onTarget(endpoint)
            let opened = try settings.open(at: endpoint, deadline: deadline)
            if try Self.leadsToMaster(opened, deadline: deadline) { return opened }
            // Either the sentinel has not heard of a failover, or the promoted server has not.
            directory.doubtLastAnswer()
            guard ContinuousClock.now + pause < deadline else { throw .sentinelsBehind() }
            Poll.sleep(until: .now + pause)
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// `ROLE` (https://redis.io/docs/latest/commands/role/).
    private static func leadsToMaster(
        _ opened: OpenedStream, deadline: ContinuousClock.Instant
    ) throws(CacheError) -> Bool {
        var writer = RESPWriter()
        writer.command("ROLE")
        switch try opened.exchange.ask(writer, deadline: deadline).first {
        case .array(let parts): return parts.first == .bulkString(Array("master".utf8))
        // ACL rules may forbid it. A replica then shows itself with the first write.
        case .error: return true
        default: throw .redisUnexpectedReply()
        }
    }
}
