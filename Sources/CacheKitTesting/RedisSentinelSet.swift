public import CacheKitCore

/// A throwaway set for tests: a master, a replica and three sentinels that watch them, all on loopback.
///
/// A master that does not answer for half a second is replaced, which takes one to four seconds in all. Everything ends
/// when the set is stopped or let go of.
public final class RedisSentinelSet: Sendable {
    /// What the sentinels call the master.
    public let name = "cache-test"
    /// The data servers; the first is the master in the beginning.
    public let servers: [RedisServer]
    /// The sentinels.
    public let sentinels: [RedisServer]

    private let password: String?
    private let sentinelPassword: String?

    /// Starts a set and waits until the sentinels agree that they could replace the master.
    ///
    /// - Parameters:
    ///   - password: what the data servers want, if anything.
    ///   - sentinelPassword: what the sentinels want, if anything.
    ///   - security: what all of them speak TLS with, to clients and to each other.
    /// - Throws: ``CacheError/Code/remoteUnavailable`` when `redis-server` is not installed or the set is not ready within
    ///   20 s.
    public static func start(
        password: String? = nil, sentinelPassword: String? = nil, security: RedisServer.Security? = nil
    ) async throws(CacheError) -> RedisSentinelSet {
        // A port that was free a moment ago may be taken by the time its server binds it.
        var last: CacheError?
        for _ in 0..<3 {
            let set = try RedisSentinelSet(
                password: password, sentinelPassword: sentinelPassword, security: security)
            do throws(CacheError) {
                try await set.begin()
                return set
            } catch {
                set.stop()
                last = error
            }
        }
        throw last ?? CacheError(.remoteUnavailable, "the set of servers and sentinels did not start")
    }

    private func begin() async throws(CacheError) {
        for server in servers { try await server.restart() }
        try await wait { self.ask(self.servers[0], "INFO replication").contains("state=online") }
        for sentinel in sentinels { try await restart(sentinel) }
        try await waitUntilReady()
    }

    /// Starts a sentinel of the set again.
    public func restart(_ sentinel: RedisServer) async throws(CacheError) {
        try await sentinel.restart()
        // A master that comes back is told that it is none after four of the first, by default after eight seconds, and
        // only once it was asked what it is, by default every ten seconds.
        _ = ask(sentinel, "SENTINEL DEBUG publish-period 250 info-period 250")
    }

    private init(
        password: String?, sentinelPassword: String?, security: RedisServer.Security?
    ) throws(CacheError) {
        self.password = password
        self.sentinelPassword = sentinelPassword
        var options = ["--repl-diskless-sync-delay", "0"]
        if let password { options += ["--requirepass", password, "--masterauth", password] }
        let master = try RedisServer.prepare(options, security: security)
        let replica = try RedisServer.prepare(
            options + ["--replicaof", "127.0.0.1", String(master.port)], security: security)
        servers = [master, replica]
        var sentinels: [RedisServer] = []
        for _ in 0..<3 {
            sentinels.append(try RedisServer.prepare(["--sentinel"], security: security, isConfigured: true))
        }
        self.sentinels = sentinels
        for (number, sentinel) in sentinels.enumerated() {
            try sentinel.configure(configuration(number))
        }
    }

    deinit {
        stop()
    }

    /// `redis+sentinel://`, or `rediss` with TLS, with all three sentinels, and the data servers' password.
    public var url: String {
        let user = password.map { ":\($0)@" } ?? ""
        let hosts = sentinels.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
        let scheme = servers[0].security == nil ? "redis" : "rediss"
        return "\(scheme)+sentinel://\(user)\(hosts)/\(name)"
    }

    /// Ends every server.
    public func stop() {
        for server in sentinels + servers { server.stop() }
    }

    /// Sends commands to a server or sentinel of the set, after its password.
    public func ask(_ server: RedisServer, _ command: String) -> String {
        let isSentinel = sentinels.contains { $0 === server }
        guard let secret = isSentinel ? sentinelPassword : password else { return server.ask(command) }
        return server.ask("AUTH \(secret)", command)
    }

    /// Waits until so many replicas follow their master and the sentinels could fail over to one of them.
    public func waitUntilReady(replicas count: Int = 1) async throws(CacheError) {
        try await wait { self.isReady(count) }
    }

    private func isReady(_ replicaCount: Int) -> Bool {
        sentinels.allSatisfy { sentinel in
            guard sentinel.processIdentifier != nil else { return true }
            // How the replicas stand is in the sentinel's copy of their own report.
            let replicas = ask(sentinel, "SENTINEL REPLICAS \(name)")
            let following = replicas.ranges(of: "master-link-status\r\n$2\r\nok").count
            return ask(sentinel, "SENTINEL CKQUORUM \(name)").contains("+OK") && following == replicaCount
                && !replicas.contains("s_down") && !replicas.contains("disconnected")
        }
    }

    private func wait(_ holds: @Sendable () -> Bool) async throws(CacheError) {
        let deadline = ContinuousClock.now + .seconds(20)
        while !holds() {
            guard ContinuousClock.now < deadline, (try? await Task.sleep(for: .milliseconds(10))) != nil else {
                throw CacheError(.remoteUnavailable, "the set of servers and sentinels did not become ready")
            }
        }
    }

    /// Options: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/. Each sentinel is told of the
    /// others from the start; by themselves they would take seconds to find each other.
    private func configuration(_ number: Int) -> String {
        func identifier(_ number: Int) -> String { String(repeating: String(number + 1), count: 40) }
        var lines = [
            "sentinel myid \(identifier(number))",
            "sentinel resolve-hostnames no",
            "sentinel monitor \(name) 127.0.0.1 \(servers[0].port) 2",
            "sentinel down-after-milliseconds \(name) 500",
            "sentinel failover-timeout \(name) 2000",
            "sentinel known-replica \(name) 127.0.0.1 \(servers[1].port)",
        ]
        if let password { lines.append("sentinel auth-pass \(name) \(password)") }
        if let sentinelPassword {
            lines += ["requirepass \(sentinelPassword)", "sentinel sentinel-pass \(sentinelPassword)"]
        }
        for (other, sentinel) in sentinels.enumerated() where other != number {
            lines.append("sentinel known-sentinel \(name) 127.0.0.1 \(sentinel.port) \(identifier(other))")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
