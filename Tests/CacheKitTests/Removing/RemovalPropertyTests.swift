import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// Random interleavings: what was acknowledged before an acknowledged removal is read by nobody who has heard of it.
struct RemovalPropertyTests {
    private struct Written {
        /// When it was acknowledged, or its load began.
        var at: Int
        var tags: Set<String>
    }

    private struct Removed {
        var at: Int
        var tag: String?
        var heard: Set<Int>

        func takes(_ value: Written, for node: Int) -> Bool {
            heard.contains(node) && value.at < at && (tag.map { value.tags.contains($0) } ?? true)
        }
    }

    private struct Load {
        var node: Int
        var key: String
        var gate: Gate
        var task: Task<Int, any Error>
    }

    /// One run: what is done to the nodes, and what was.
    private struct Run {
        var random: SeededRandom
        let nodes = RemovalNodes()
        var caches: [RemovalNodes.Node] = []
        var time = 0
        var nextValue = 0
        var written: [Int: Written] = [:]
        var removed: [Removed] = []
        var loads: [Load] = []
        var steps: [String] = []

        static let keys = ["a", "b", "c"]
        static let tags = ["t", "u"]

        init(seed: UInt64) async throws {
            random = SeededRandom(seed: seed)
            switch seed % 4 {
            case 0: caches = [try await nodes.node(file: nodes.file(), hasRemote: false)]
            case 1:
                let file = nodes.file()
                for _ in 0..<2 { caches.append(try await nodes.node(file: file, hasRemote: false)) }
            case 2: for number in 1...3 { caches.append(try await nodes.node(file: nodes.file(UInt64(number)))) }
            default: for _ in 0..<2 { caches.append(try await nodes.node(file: nil)) }
            }
        }

        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &random)]
        }

        mutating func step() async throws {
            time += 1
            let node = Int.random(in: 0..<caches.count, using: &random)
            let key = pick(Self.keys)
            let cache = caches[node]
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<25:
                nextValue += 1
                let tags = Set(Self.tags.filter { _ in Bool.random(using: &random) })
                steps.append("\(time): \(node) sets \(key) to \(nextValue) \(tags.sorted())")
                let value = nextValue
                try await cache.numbers.set(value, for: key, tags: Array(tags))
                written[value] = Written(at: time, tags: tags)
                if removed.allSatisfy({ $0.heard.contains(node) }) {
                    let found = try await cache.numbers.get(key)
                    #expect(found == value, "\(node) does not find what it has set at \(time); \(story)")
                }
            case 25..<55:
                let found = try await cache.numbers.get(key)
                steps.append("\(time): \(node) gets \(key): \(found.map(String.init) ?? "nothing")")
                check(found, node)
                let isThere = try await cache.numbers.contains(key)
                #expect(found == nil || isThere, "\(story)")
            case 55..<63:
                guard !loads.contains(where: { $0.node == node && $0.key == key }) else { return }
                nextValue += 1
                let value = nextValue
                written[value] = Written(at: time, tags: [])
                let (begun, done, gate) = (Counter(), Counter(), Gate())
                let task = Task {
                    defer { done.add() }
                    return try await cache.numbers.getOrSet(key) {
                        begun.add()
                        await gate.wait()
                        return value
                    }
                }
                // It may be answered without loading.
                try #require(await eventually { begun.value + done.value > 0 })
                steps.append("\(time): \(node) \(begun.value > 0 ? "begins to load \(value) for" : "finds") \(key)")
                if begun.value > 0 {
                    loads.append(Load(node: node, key: key, gate: gate, task: task))
                } else {
                    check(try await task.value, node)
                }
            case 63..<73:
                guard !loads.isEmpty else { return }
                let load = loads.remove(at: Int.random(in: 0..<loads.count, using: &random))
                load.gate.open()
                steps.append("\(time): \(load.node) ends its load for \(load.key)")
                _ = try await load.task.value
            case 73..<80:
                let tag = Bool.random(using: &random) ? pick(Self.tags) : nil
                steps.append("\(time): \(node) removes \(tag ?? "all")")
                if let tag {
                    try await cache.numbers.removeAll(tagged: tag)
                } else {
                    try await cache.numbers.removeAll()
                }
                removed.append(Removed(at: time, tag: tag, heard: [node]))
                // Nodes that share no store tell moments apart by their clocks alone.
                if caches[0].local != nil, caches[0].cache.remote != nil {
                    nodes.clock.advance(by: .milliseconds(2))
                }
            case 80..<90:
                nodes.clock.advance(by: .milliseconds(Int.random(in: 0..<3, using: &random)))
            case 90..<96: await cache.push()
            default: try await settle()
            }
        }

        /// Everybody hears of everything.
        mutating func settle() async throws {
            steps.append("\(time): all hear of all")
            for _ in 0..<3 {
                for cache in caches {
                    await cache.push()
                    nodes.outdate()
                    await cache.hear()
                    for key in Self.keys { _ = try await cache.numbers.get(key) }
                    await cache.push()
                }
            }
            nodes.outdate()
            for index in removed.indices { removed[index].heard = Set(caches.indices) }
        }

        func check(_ found: Int?, _ node: Int) {
            guard let found, let value = written[found] else { return }
            for removal in removed where removal.takes(value, for: node) {
                Issue.record("\(node) reads \(found), which was removed at \(removal.at); \(story)")
            }
        }

        var story: String { steps.joined(separator: "\n") }
    }

    @Test(arguments: 0..<UInt64(TestEffort.count(short: 60, long: 3000)))
    func `nothing that was removed is read`(_ seed: UInt64) async throws {
        var run = try await Run(seed: seed)
        for _ in 0..<80 { try await run.step() }
        for load in run.loads {
            load.gate.open()
            _ = try await load.task.value
        }
        try await run.settle()
        for (index, cache) in run.caches.enumerated() {
            for key in Run.keys { run.check(try await cache.numbers.get(key), index) }
        }
    }
}
