public import CacheKitCore

/// A throwaway Redis Cluster for tests: masters that share the slots evenly, and one replica for each, all on loopback.
///
/// Its servers end when it is stopped or let go of.
public final class RedisCluster: Sendable {
    /// The masters, by the order of their slots, as it was set up.
    public let masters: [RedisServer]
    /// The replica of each master, as it was set up.
    public let replicas: [RedisServer]
    /// The id of each server, masters first.
    private let identifiers: [String]

    /// Starts the servers and waits until all of them agree and every replica is in step.
    ///
    /// - Parameters:
    ///   - masterCount: from 1 to 16.
    ///   - nodeTimeout: how long a server is silent before the others take it for dead.
    ///   - failsOver: whether replicas take the place of dead masters.
    ///   - security: what all of them speak TLS with, to clients and to each other.
    ///   - options: more of `redis-server`'s options, for each of them, such as passwords.
    /// - Throws: ``CacheError/Code/remoteUnavailable`` when that takes longer than 30 s.
    public static func start(
        masterCount: Int = 3, nodeTimeout: Duration = .seconds(5), failsOver: Bool = false,
        security: RedisServer.Security? = nil, options: [String] = []
    ) async throws(CacheError) -> RedisCluster {
        var servers: [RedisServer] = []
        for _ in 0..<2 * masterCount {
            servers.append(try await startServer(nodeTimeout, failsOver, security, options))
        }
        let identifiers = servers.map { $0.command("CLUSTER", "MYID")?.text ?? "" }
        let cluster = RedisCluster(servers, identifiers)
        try await cluster.join()
        return cluster
    }

    private init(_ servers: [RedisServer], _ identifiers: [String]) {
        masters = Array(servers.prefix(servers.count / 2))
        replicas = Array(servers.suffix(servers.count / 2))
        self.identifiers = identifiers
    }

    /// `redis+cluster://`, or `rediss` with TLS, with the address of the first master.
    public var url: String {
        "\(masters[0].security == nil ? "redis" : "rediss")+cluster://127.0.0.1:\(masters[0].port)"
    }

    /// Every server, masters first.
    public var servers: [RedisServer] { masters + replicas }

    /// The id by which the others know a server.
    public func identifier(of server: RedisServer) -> String {
        servers.firstIndex { $0 === server }.map { identifiers[$0] } ?? ""
    }

    /// The slots that a master had when it was set up.
    public func slots(ofMaster index: Int) -> ClosedRange<Int> {
        16_384 * index / masters.count...16_384 * (index + 1) / masters.count - 1
    }

    /// Ends every server.
    public func stop() {
        for server in servers { server.kill9() }
    }

    private static func startServer(
        _ nodeTimeout: Duration, _ failsOver: Bool, _ security: RedisServer.Security?, _ more: [String]
    ) async throws(CacheError) -> RedisServer {
        var last: CacheError?
        for _ in 0..<3 {
            // Its own port for the others: by default it is 10,000 above the first one, which may be out of range.
            let busPort = try RedisServer.freePort()
            do throws(CacheError) {
                let options = [
                    "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port",
                    String(busPort), "--cluster-node-timeout", String(nodeTimeout.components.seconds * 1000),
                    "--cluster-replica-no-failover", failsOver ? "no" : "yes",
                    // A master without slots stays one.
                    "--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0",
                    // A replica that has received nothing yet is not named in the map.
                    "--repl-ping-replica-period", "1",
                ]
                return try await RedisServer.start(
                    options + (security == nil ? [] : ["--tls-cluster", "yes"]) + more, security: security)
            } catch {
                last = error
            }
        }
        throw last ?? CacheError(.remoteUnavailable, "redis-server did not start as a node of a Cluster")
    }

    /// What `redis-cli --cluster create` does, without the questions.
    private func join() async throws(CacheError) {
        // Only while it knows nobody else; with equal ones they would have to settle first.
        for (index, server) in servers.enumerated() {
            _ = server.command("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1))
        }
        for server in servers {
            let bus = server.command("CONFIG", "GET", "cluster-port")
            guard case .array(let pair)? = bus, let busPort = pair.last?.text else {
                throw CacheError(.remoteUnavailable, "redis-server is older than 7.0, which tests of Clusters need")
            }
            for other in servers where other !== server {
                _ = other.command("CLUSTER", "MEET", "127.0.0.1", String(server.port), busPort)
            }
        }
        for (index, master) in masters.enumerated() {
            let slots = slots(ofMaster: index)
            _ = master.command("CLUSTER", "ADDSLOTSRANGE", String(slots.lowerBound), String(slots.upperBound))
        }
        try await wait { servers.allSatisfy { $0.clusterState.contains("cluster_known_nodes:\(servers.count)") } }
        for (index, replica) in replicas.enumerated() {
            try await wait { replica.command("CLUSTER", "REPLICATE", identifiers[index]) == .text("OK") }
        }
        try await waitUntilReady()
    }

    /// Waits until every server says that all is well, and every shard has its master and its replica.
    public func waitUntilReady() async throws(CacheError) {
        try await wait { servers.allSatisfy { isReady($0) } }
    }

    private func isReady(_ server: RedisServer) -> Bool {
        guard server.clusterState.contains("cluster_state:ok"),
            case .array(let ranges)? = server.command("CLUSTER", "SLOTS"), ranges.count >= masters.count
        else { return false }
        let isWhole = ranges.allSatisfy { range in
            if case .array(let fields) = range { fields.count == 4 } else { false }
        }
        guard isWhole, let replication = server.command("INFO", "replication")?.text else { return false }
        return replication.contains("role:master") || replication.contains("master_link_status:up")
    }

    private func wait(until condition: () -> Bool) async throws(CacheError) {
        let deadline = ContinuousClock.now + .seconds(30)
        while !condition() {
            guard ContinuousClock.now < deadline, (try? await Task.sleep(for: .milliseconds(20))) != nil else {
                throw CacheError(.remoteUnavailable, "the Redis Cluster did not get ready; see the servers' logs")
            }
        }
    }
}

extension RedisServer {
    /// Lines of the form `name:value`.
    fileprivate var clusterState: [Substring] {
        (command("CLUSTER", "INFO")?.text ?? "").split(separator: "\r\n")
    }
}
