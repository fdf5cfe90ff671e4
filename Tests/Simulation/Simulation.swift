import CacheKit
import CacheKitCore
import CacheKitSync
import CacheKitTesting

/// One run: some minutes of faults on a few nodes and one remote, then quiet, then the promises are checked.
public struct Simulation {
    /// What a run found.
    public struct Report: Sendable {
        /// The seed that repeats it.
        public let seed: UInt64
        /// Promises that were broken; empty when all held.
        public let violations: [String]
        /// What happened.
        public let events: [String]
        /// Changes that nodes acknowledged.
        public let changes: Int
    }

    private let seed: UInt64
    private let world: World
    private let keys: [CacheKey]
    private var nodes: [SimulatedNode] = []

    private init(_ seed: UInt64, _ sabotage: Sabotage?) throws {
        self.seed = seed
        world = try World(seed: seed, sabotage: sabotage)
        let count = 3 + world.number(below: 5)
        keys = try (0..<count).map { try CacheKey("n:\($0)") }
        var configuration = SyncConfiguration()
        configuration.batchChanges = [1, 2, 5, 100][world.number(below: 4)]
        configuration.marksInterval = .seconds(20)
        configuration.longestBackoff = .seconds(5)
        var jitter = SeededRandom(seed: seed &+ 2)
        let fractions = (0..<64).map { _ in Double(jitter.next() % 1_000) / 1_000 }
        let world = world
        configuration.jitter = { fractions[world.number(below: 64)] }
        switch world.number(below: 10) {
        case 0: configuration.policy.stale = .localWins
        case 1: configuration.policy.foreign = .localWins
        case 2: configuration.policy.foreign = .invalidate
        case 3: configuration.policy.absent = .drop
        default: break
        }
        if world.chance(40) { world.remote.shardCount = 2 + world.number(below: 2) }
        world.foreignWins = configuration.policy.foreign == .remoteWins
        for index in 0..<(2 + world.number(below: 2)) {
            nodes.append(
                SimulatedNode(
                    "node \(index)", world, file: SimulatedFile(node: UInt64(index + 1) << 32),
                    isRelaxed: world.chance(30), configuration))
        }
    }

    /// Runs a seed.
    public static func run(seed: UInt64, sabotage: Sabotage? = nil) throws -> Report {
        var simulation = try Simulation(seed, sabotage)
        simulation.run()
        return Report(
            seed: seed, violations: simulation.world.violations, events: simulation.world.events,
            changes: simulation.nodes.reduce(0) { $0 + $1.acknowledged.count })
    }

    private mutating func run() {
        for node in nodes { node.start() }
        let actions = 60 + world.number(below: 120)
        for _ in 0..<actions {
            act()
            guard advance(by: Int64(world.number(below: world.chance(10) ? 12_000 : 900))) else { return }
        }
        heal()
        // Everything has to be sent within two minutes of quiet.
        var waited = 0
        while !nodes.allSatisfy(\.isIdle), waited < 120 {
            guard advance(by: 1_000) else { return }
            waited += 1
        }
        if waited >= 120 { world.violate("changes are still pending after two minutes without a fault") }
        // What the remote lost is found out when marks are compared.
        guard advance(by: 90_000) else { return }
        if !nodes.allSatisfy(\.isIdle) { world.violate("changes are pending again without a fault") }
        guard Agreement(nodes, keys, world).check(advance) else { return }
        for node in nodes { node.askStatus() }
        guard advance(by: 1_000) else { return }
        for node in nodes { node.stop() }
        guard advance(by: 10_000) else { return }
        for node in nodes { FinalCheck(node, world).run() }
    }

    private func advance(by milliseconds: Int64) -> Bool {
        guard world.time.run(until: world.time.milliseconds + milliseconds) else {
            world.violate("somebody spins without letting time pass")
            return false
        }
        guard world.time.jobs < 2_000_000 else {
            world.violate("somebody tries the same again and again")
            return false
        }
        return true
    }

    private func heal() {
        world.note("quiet")
        world.hasFaults = false
        world.remote.isDown = false
        world.remote.awayShards = []
        for node in nodes {
            node.link.isCut = false
            node.link.faultPercent = 0
            if world.chance(50) { node.clock.skew = .zero }
            node.start()
        }
    }

    private func act() {
        let node = nodes[world.number(below: nodes.count)]
        let key = keys[world.number(below: keys.count)]
        switch world.number(below: 100) {
        case 0..<38: write(node, key)
        case 38..<48:
            // Several at once share one question.
            for _ in 0..<(1 + world.number(below: 3)) { node.read(key) }
            // While the answer is under way, the key is written.
            guard world.chance(30) else { return }
            world.time.after(Int64(1 + world.number(below: 30))) { [self] in commit(node, key) }
        case 48..<56: foreignWrite(key)
        case 56..<64:
            node.link.isCut.toggle()
            world.note("\(node.name) is \(node.link.isCut ? "cut off" : "connected")")
        case 64..<72: node.link.faultPercent = [0, 5, 20, 50][world.number(below: 4)]
        case 72..<80:
            if node.isRunning { node.crash(losesPower: world.chance(50)) } else { node.start() }
        case 80..<85: jump(node)
        case 85..<88 where world.remote.shardCount > 1:
            let shard = world.number(below: world.remote.shardCount)
            let isBack = world.remote.awayShards.remove(shard) != nil
            if !isBack { world.remote.awayShards.insert(shard) }
            world.note("shard \(shard) is \(isBack ? "back" : "away")")
        case 85..<88:
            world.remote.isDown.toggle()
            world.note("the remote is \(world.remote.isDown ? "down" : "up")")
        // Two nodes under one id hide each other's losses until one of them notices: a stated limit.
        case 88..<95 where Set(nodes.map(\.identity)).count < nodes.count: break
        case 88..<90:
            world.note("the remote is flushed")
            world.remote.flush()
        case 90..<93:
            let age = Int64(500 + world.number(below: 30_000))
            world.note("the remote comes back to what it was \(age) ms ago")
            world.remote.comeBack(to: age)
            // Users read on, whatever happens.
            for node in nodes {
                for key in keys where world.chance(50) {
                    world.time.after(Int64(world.number(below: 3_000))) { node.read(key) }
                }
            }
        case 93..<95:
            world.note("a bucket is lost")
            world.remote.loseBucket(world.number(below: SimulatedRemote.bucketCount))
        case 95..<98: world.remote.evict(key)
        case 98:
            let other = nodes[world.number(below: nodes.count)]
            if other !== node { node.copy(other, writing: key) }
        default: for node in nodes where world.chance(50) { node.start() }
        }
    }

    private func write(_ node: SimulatedNode, _ key: CacheKey) {
        commit(node, key)
        // Users write a key again while its change is on its way, or has just lost.
        guard world.chance(30) else { return }
        let rest = Int64(1 + world.number(below: 120))
        world.time.after(rest) { [world] in
            world.note("\(node.name) sets \(key.string) again")
            node.commit(key, world.nextPayload(), life: .seconds(3_600))
        }
    }

    private func commit(_ node: SimulatedNode, _ key: CacheKey) {
        let life = Duration.seconds(world.chance(20) ? 1 + world.number(below: 20) : 3_600)
        if world.chance(25) {
            world.note("\(node.name) deletes \(key.string)")
            node.commit(key, nil, life: .zero)
        } else {
            let payload = world.nextPayload()
            world.note("\(node.name) sets \(key.string) to \(World.number(of: payload)) for \(life)")
            node.commit(key, payload, life: life)
        }
    }

    private func foreignWrite(_ key: CacheKey) {
        if world.chance(30) {
            world.note("somebody else deletes \(key.string)")
            world.remote.foreignDelete(key)
        } else {
            let payload = world.nextPayload()
            world.foreign.insert(payload)
            world.note("somebody else sets \(key.string) to \(World.number(of: payload))")
            world.remote.foreignSet(
                key, world.sealed(payload, for: key), life: world.chance(50) ? .seconds(3_600) : nil)
        }
    }

    private func jump(_ node: SimulatedNode) {
        let year = Duration.seconds(365 * 86_400)
        let jumps: [Duration] = [.seconds(10), .seconds(-10), .seconds(3_600), .seconds(-3_600), year, .zero - year]
        node.clock.skew = world.chance(30) ? .zero : jumps[world.number(below: jumps.count)]
        world.note("the clock of \(node.name) is off by \(node.clock.skew)")
    }
}
