import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitRedis

/// Servers of a test that share all slots among them in equal parts, or as the test says.
private final class ScriptedCluster: Sendable {
    typealias Answer = @Sendable (_ node: Int, _ command: [String]) -> String?

    fileprivate struct State {
        var slots = ""
        var received: [(node: Int, command: [String])] = []
    }

    let nodes: [ScriptedServer]
    private let shared: Shared

    /// Reachable for the scripts before the servers are there.
    final class Shared: Sendable {
        fileprivate let state = Mutex(State())
    }

    /// - Parameter answer: `nil` hangs up.
    init(_ count: Int, _ answer: @escaping Answer) throws {
        let shared = Shared()
        self.shared = shared
        nodes = try (0..<count).map { node in
            try ScriptedServer { peer in
                peer.logIn()
                while let command = peer.command() {
                    let slots = shared.state.withLock { state in
                        state.received.append((node, command))
                        return state.slots
                    }
                    guard let reply = command[0] == "CLUSTER" ? slots : answer(node, command) else { return }
                    peer.send(reply)
                }
            }
        }
        assign((0..<count).map { (16_384 * $0 / count...16_384 * ($0 + 1) / count - 1, $0) })
    }

    func assign(_ ranges: [(ClosedRange<Int>, node: Int)]) {
        let text = ranges.map { range, node in
            "*3\r\n:\(range.lowerBound)\r\n:\(range.upperBound)\r\n*2\r\n$0\r\n\r\n:\(nodes[node].port)\r\n"
        }
        shared.state.withLock { $0.slots = "*\(ranges.count)\r\n" + text.joined() }
    }

    func say(_ slots: String) { shared.state.withLock { $0.slots = slots } }

    var url: String { "redis+cluster://127.0.0.1:\(nodes[0].port)" }

    /// What all of them were asked, in order.
    var received: [(node: Int, command: [String])] { shared.state.withLock { $0.received } }
    var refreshes: Int { received.count { $0.command[0] == "CLUSTER" } }

    func address(_ node: Int) -> String { "127.0.0.1:\(nodes[node].port)" }

    func stop() { for node in nodes { node.stop() } }
}

// Servers that send elsewhere, lie, or go away at a chosen moment.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct BadClusterTests {
    /// A key in the first or the second half of the slots.
    private func key(_ half: Int, _ name: String = "k") -> String {
        (0...).lazy.map { "\(name)\($0)" }.first { HashSlot(of: $0).number / 8192 == half } ?? name
    }

    @Test func `being sent in a circle ends with a typed error`() async throws {
        let address = Mutex("")
        let cluster = try ScriptedCluster(1) { _, command in
            command[0] == "PING" ? "+PONG\r\n" : "-MOVED 1 \(address.withLock { $0 })\r\n"
        }
        defer { cluster.stop() }
        address.withLock { $0 = cluster.address(0) }
        let store = try makeStore(cluster.url) { $0.maximumBackoff = .milliseconds(10) }
        #expect(await code { _ = try await store.command(words("GET", "k"), for: "k") } == .remoteNotReady)
        #expect(cluster.received.count { $0.command[0] == "GET" } == 17)
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .remoteNotReady)
        #expect(await code { _ = try await store.write([try put("k", [1])]) } == .remoteNotReady)
    }

    @Test func `a Cluster that is down is waited for, as long as a command may take`() async throws {
        let left = Mutex(3)
        let cluster = try ScriptedCluster(1) { _, _ in
            left.withLock {
                $0 -= 1; return $0 >= 0
            } ? "-CLUSTERDOWN The cluster is down\r\n" : ":1\r\n"
        }
        defer { cluster.stop() }
        let store = try makeStore(cluster.url) { $0.commandTimeout = .milliseconds(400) }
        #expect(try await store.contains([try CacheKey("k")]) == [true])
        #expect(store.clusterCounts.notReady == 3)
        left.withLock { $0 = .max }
        let start = ContinuousClock.now
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .remoteNotReady)
        #expect(start.duration(to: .now) < .seconds(10))
    }

    @Test func `a slot that nobody has is waited for, and then an error`() async throws {
        let cluster = try ScriptedCluster(1) { _, _ in ":1\r\n" }
        defer { cluster.stop() }
        cluster.assign([(0...8191, 0)])
        let store = try makeStore(cluster.url) { $0.commandTimeout = .milliseconds(600) }
        #expect(try await store.contains([try CacheKey(key(0))]) == [true])
        let homeless = try CacheKey(key(1))
        #expect(await code { _ = try await store.contains([homeless]) } == .remoteNotReady)
        #expect(await code { _ = try await store.command(words("GET", "k"), for: homeless.string) } == .remoteNotReady)
        async let found = store.contains([homeless])
        cluster.assign([(0...16_383, 0)])
        #expect(try await found == [true])
    }

    @Test func `writes to a server that is lost are told apart from those that were applied`() async throws {
        let cluster = try ScriptedCluster(2) { node, _ in node == 0 ? "+OK\r\n" : nil }
        defer { cluster.stop() }
        let store = try makeStore(cluster.url)
        let writes = try [key(0, "a"), key(1, "b"), key(0, "c"), key(1, "b")].map { try put($0, [1]) }
        let results = try await store.write(writes)
        let codes = results.map { result -> CacheError.Code? in
            if case .failed(let error) = result { error.code } else { nil }
        }
        // The second write of a key does not overtake the first, whose outcome is open.
        #expect(codes == [nil, .mayHaveBeenApplied, nil, .remoteUnavailable])
        #expect(cluster.received.count { $0.command[0] == "SET" && $0.node == 1 } == 1)
        // None of them: as with one server.
        #expect(await code { _ = try await store.write([writes[1]]) } == .mayHaveBeenApplied)
    }

    @Test func `reads from a server that answers do not fail with those from one that does not`() async throws {
        let cluster = try ScriptedCluster(2) { node, command in
            switch command[0] {
            case _ where node == 1: nil
            case "MULTI": "+OK\r\n"
            case "EXEC": "*2\r\n*1\r\n$1\r\nx\r\n:-1\r\n"
            default: "+QUEUED\r\n"
            }
        }
        defer { cluster.stop() }
        let store = try makeStore(cluster.url)
        let (here, away) = (try CacheKey(key(0)), try CacheKey(key(1)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    guard number % 2 == 0 else {
                        #expect(await code { _ = try await store.read([away]) } == .remoteUnavailable)
                        return
                    }
                    let entry = try await store.read([here]).first
                    #expect(entry??.value == Array("x".utf8))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a redirected write is not overtaken by the next one of its key`() async throws {
        let address = Mutex("")
        let isFirst = Mutex(true)
        let cluster = try ScriptedCluster(2) { node, command in
            // Only once: a batch with both would have had the second applied here.
            let redirects =
                node == 0
                && isFirst.withLock { first in
                    defer { first = false }
                    return first
                }
            return redirects ? "-MOVED \(HashSlot(of: command[1]).number) \(address.withLock { $0 })\r\n" : "+OK\r\n"
        }
        defer { cluster.stop() }
        address.withLock { $0 = cluster.address(1) }
        let store = try makeStore(cluster.url)
        let name = key(0)
        let results = try await store.write([try put(name, Array("1".utf8)), try put(name, Array("2".utf8))])
        #expect(results.count == 2)
        let sets = cluster.received.filter { $0.command[0] == "SET" }
        #expect(sets.map { $0.command[2] } == ["1", "1", "2"])
        #expect(sets.prefix(2).map(\.node) == [0, 1])
    }

    @Test func `when a server is away, whoever has its slots since is asked instead`() async throws {
        let cluster = try ScriptedCluster(2) { node, _ in node == 1 ? ":1\r\n" : nil }
        defer { cluster.stop() }
        cluster.assign([(0...16_383, 0)])
        let store = try makeStore(cluster.url)
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .remoteUnavailable)
        // Nobody says MOVED: only the loss itself makes the store ask.
        cluster.assign([(0...16_383, 1)])
        #expect(await eventually { (try? await store.contains([try CacheKey("k")])) == [true] })
    }

    @Test func `a hundred callers who are redirected ask for the map a few times only`() async throws {
        let address = Mutex("")
        let cluster = try ScriptedCluster(2) { node, _ in
            node == 1 ? ":1\r\n" : "-MOVED 1 \(address.withLock { $0 })\r\n"
        }
        defer { cluster.stop() }
        address.withLock { $0 = cluster.address(1) }
        cluster.assign([(0...16_383, 0)])
        let store = try makeStore(cluster.url)
        _ = try await store.topology.masters()
        cluster.assign([(0...16_383, 1)])
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask {
                    let found = try await store.contains([try CacheKey("k\(number)")])
                    #expect(found == [true])
                }
            }
            try await group.waitForAll()
        }
        // One at first, then at most one in each interval.
        let bound = 3 + Int(start.duration(to: .now) / .milliseconds(200))
        #expect((1...bound).contains(cluster.refreshes))
        #expect(
            await eventually {
                (try? await store.topology.masters()) == [.tcp(host: "127.0.0.1", port: cluster.nodes[1].port)]
            })
    }

    @Test func `a link-local or metadata address in a map or a redirection is not connected to`() async throws {
        let cluster = try ScriptedCluster(1) { _, command in
            command[0] == "EXISTS" ? "-ASK 1 169.254.169.254:80\r\n" : "-MOVED 1 ::ffff:169.254.169.254:80\r\n"
        }
        defer { cluster.stop() }
        let store = try makeStore(cluster.url)
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .invalidConfiguration)
        #expect(await code { _ = try await store.write([try put("k", [1])]) } == .invalidConfiguration)
        cluster.say("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$15\r\n169.254.169.254\r\n:80\r\n")
        let other = try makeStore(cluster.url)
        #expect(await code { try await other.ping() } == .invalidConfiguration)
        #expect(await code { _ = try await other.contains([try CacheKey("k")]) } == .invalidConfiguration)
    }

    @Test(arguments: ["+OK\r\n", ":1\r\n", "*-1\r\n", "*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\na\r\n:1\r\n", "*0\r\n"])
    func `a map that can't be is an error of its own`(_ reply: String) async throws {
        let cluster = try ScriptedCluster(1) { _, _ in ":1\r\n" }
        defer { cluster.stop() }
        cluster.say(reply)
        let store = try makeStore(cluster.url)
        let expected: CacheError.Code = reply == "*0\r\n" ? .remoteNotReady : .remoteProtocol
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == expected)
    }

    @Test func `a seed that is silent holds up the first call for a moment only`() async throws {
        let silent = try ScriptedServer { _ = $0.isClosedByClient() }
        let cluster = try ScriptedCluster(1) { _, _ in ":1\r\n" }
        defer {
            silent.stop()
            cluster.stop()
        }
        for _ in 0..<4 {
            let store = try makeStore("redis+cluster://127.0.0.1:\(silent.port),\(cluster.address(0))") {
                $0.connectTimeout = .seconds(60)
            }
            #expect(try await store.contains([try CacheKey("k")]) == [true])
            await store.close()
        }
    }

    @Test func `a caller who is cancelled while it waits gets away, and closing ends who waits for the map`()
        async throws
    {
        let cluster = try ScriptedCluster(1) { _, _ in "-CLUSTERDOWN x\r\n" }
        let silent = try ScriptedServer { _ = $0.isClosedByClient() }
        defer {
            silent.stop()
            cluster.stop()
        }
        let store = try makeStore(cluster.url) { $0.commandTimeout = .seconds(60) }
        let reading = Task { await code { _ = try await store.read([try CacheKey("a"), try CacheKey("b")]) } }
        let sending = Task { await code { _ = try await store.command(words("GET", "k"), for: "k") } }
        #expect(await eventually { store.clusterCounts.notReady > 3 })
        reading.cancel()
        sending.cancel()
        #expect(await reading.value == .cancelled)
        #expect(await sending.value == .cancelled)
        let mute = try makeStore("redis+cluster://127.0.0.1:\(silent.port)") { $0.connectTimeout = .seconds(60) }
        let waiting = Task { await code { try await mute.ping() } }
        #expect(await eventually { silent.connectionCount > 0 })
        await mute.close()
        #expect(await waiting.value == .shutdown)
    }
}
