import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Synchronization
import Testing

// Connections that end at random bytes while many tasks use them: nobody is left behind, and nobody is told a wrong thing.
@Suite(
    .serialized, .timeLimit(.minutes(15)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct RandomCutTests {
    private static let tasks = 64
    private static let deadline = Duration.seconds(30)

    // Also with the larger values on a second connection, and over TLS.
    @Test(arguments: [(false, nil), (false, 4096), (true, nil)] as [(Bool, Int?)])
    func `under random cuts every call ends, with its own reply and with the truth about its write`(
        overTLS: Bool, largeValueBytes: Int?
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("random cuts: seed \(seed)")
        let cuts = overTLS ? TestEffort.count(short: 100, long: 5000) : TestEffort.count(short: 300, long: 10_000)
        let authority = try TestAuthority()
        let server = try await RedisServer.start(security: overTLS ? RedisServer.Security(authority) : nil)
        let proxy = try FaultProxy(to: server) { connection in
            var random = SeededRandom(seed: seed &+ UInt64(connection))
            return [.randomCut(below: 1 << 18, using: &random)]
        }
        let store = try makeStore(overTLS ? proxy.url.replacing("redis://", with: "rediss://") : proxy.url) {
            if overTLS {
                $0.tls = RedisTLS()
                $0.tls?.trust = .only(.pem(authority.certificate))
            }
            $0.initialBackoff = .milliseconds(1)
            $0.maximumBackoff = .milliseconds(2)
            $0.connectTimeout = Self.deadline
            $0.commandTimeout = Self.deadline
            $0.maximumCommandsInFlight = 512
            $0.largeValueBytes = largeValueBytes
        }
        let outcomes = Outcomes()
        let owners = try await withThrowingTaskGroup(of: Owner.self) { group in
            for number in 0..<Self.tasks {
                group.addTask {
                    var owner = try Owner(number, seed: seed)
                    while proxy.cutCount < cuts {
                        let begin = ContinuousClock.now
                        try await owner.step(store, outcomes)
                        outcomes.took(begin.duration(to: .now))
                    }
                    return owner
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        await store.close()
        // What the server holds in the end, asked past the proxy.
        let observer = try makeStore(server.unixURL)
        for owner in owners { try await owner.check(observer, outcomes) }
        let counts = outcomes.counts
        print("random cuts: \(proxy.cutCount) cuts of \(proxy.connectionCount) connections, \(counts)")
        #expect(outcomes.faults == [])
        #expect(counts.longest < Self.deadline)
        // Each kind of outcome was met, or nothing was tested.
        #expect(counts.reads > cuts && counts.applied > cuts && counts.open > 0 && counts.notApplied > 0)
    }
}

/// What came of all calls.
private final class Outcomes: Sendable {
    struct Counts: Sendable {
        var reads = 0
        var readsFailed = 0
        var applied = 0
        var open = 0
        var notApplied = 0
        var longest = Duration.zero
    }

    private let state = Mutex((counts: Counts(), faults: [String]()))

    var counts: Counts { state.withLock { $0.counts } }
    var faults: [String] { state.withLock { $0.faults } }

    func add(_ kind: WritableKeyPath<Counts, Int>) {
        state.withLock { $0.counts[keyPath: kind] += 1 }
    }

    func took(_ duration: Duration) {
        state.withLock { $0.counts.longest = max($0.counts.longest, duration) }
    }

    func fault(_ text: String) {
        state.withLock { if $0.faults.count < 20 { $0.faults.append(text) } }
    }
}

/// A task with keys of its own: nobody else writes them, so it knows what they may hold.
private struct Owner {
    private let number: Int
    private let keys: [CacheKey]
    /// What each key may hold: the number of a write, 0 for nothing. More than one after a write whose outcome is open.
    private var possible: [Set<Int>]
    private var counter = 0
    private var random: SeededRandom

    init(_ number: Int, seed: UInt64) throws {
        self.number = number
        keys = try (0..<8).map { try CacheKey("task\(number):key\($0)") }
        possible = keys.map { _ in [0] }
        random = SeededRandom(seed: seed ^ UInt64(number) << 32)
    }

    /// Names its key and the number of its write, and is up to 8 KiB long.
    private func value(_ index: Int, _ count: Int) -> [UInt8] {
        let name = Array("\(keys[index].string):write\(count);".utf8)
        return name + Array(repeating: UInt8(truncatingIfNeeded: count), count: count % 13 == 0 ? 8192 : count % 200)
    }

    /// One call: a read or a write of one to four keys.
    mutating func step(_ store: RedisStore, _ outcomes: Outcomes) async throws {
        let first = Int.random(in: keys.indices, using: &random)
        let indices = (0..<Int.random(in: 1...4, using: &random)).map { (first + $0) % keys.count }
        if Bool.random(using: &random) {
            await write(indices, store, outcomes)
        } else {
            await read(indices, store, outcomes)
        }
    }

    private mutating func write(_ indices: [Int], _ store: RedisStore, _ outcomes: Outcomes) async {
        let written = indices.map { index -> (index: Int, count: Int) in
            counter += 1
            return (index, Int.random(in: 0..<5, using: &random) == 0 ? 0 : counter)
        }
        let writes = written.map { index, count in
            RemoteWrite(
                key: keys[index], action: count == 0 ? .delete : .put(value(index, count), timeToLive: .seconds(3600)))
        }
        do {
            for (result, (index, count)) in zip(try await store.write(writes), written) {
                if case .failed(let error) = result { outcomes.fault("task \(number): refused, \(error)") }
                possible[index] = [count]
            }
            outcomes.add(\.applied)
        } catch {
            switch error.code {
            case .mayHaveBeenApplied:
                for (index, count) in written { possible[index].insert(count) }
                outcomes.add(\.open)
            case .remoteUnavailable:
                outcomes.add(\.notApplied)
                await rest()
            default: outcomes.fault("task \(number): write \(error)")
            }
        }
    }

    private mutating func read(_ indices: [Int], _ store: RedisStore, _ outcomes: Outcomes) async {
        do {
            for (entry, index) in zip(try await store.read(indices.map { keys[$0] }), indices) {
                guard let count = match(entry, index) else {
                    outcomes.fault("task \(number), key \(index): read \(text(entry)), may be \(possible[index])")
                    continue
                }
                // Decided: a cut connection's commands were done before its end was seen.
                possible[index] = [count]
            }
            outcomes.add(\.reads)
        } catch {
            outcomes.add(\.readsFailed)
            guard error.code == .remoteUnavailable else {
                outcomes.fault("task \(number): read \(error)")
                return
            }
            await rest()
        }
    }

    /// Compares with what the server holds in the end.
    func check(_ store: RedisStore, _ outcomes: Outcomes) async throws {
        for (index, entry) in try await store.read(keys).enumerated() where match(entry, index) == nil {
            outcomes.fault("task \(number), key \(index): holds \(text(entry)), may be \(possible[index])")
        }
    }

    private func match(_ entry: RemoteEntry?, _ index: Int) -> Int? {
        possible[index].first { $0 == 0 ? entry == nil : entry?.value == value(index, $0) }
    }

    private func text(_ entry: RemoteEntry?) -> String {
        entry.map { String(decoding: $0.value.prefix(40), as: UTF8.self) } ?? "nothing"
    }

    /// While the store fails fast, so that 64 tasks leave the processor to those who connect.
    private func rest() async {
        try? await Task.sleep(for: .milliseconds(1))
    }
}
