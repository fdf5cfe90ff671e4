internal import CacheKit
internal import CacheKitCore
internal import DequeModule

/// One call on many keys of a Cluster, from its elements to their outputs.
///
/// Elements whose keys share a slot make units; units travel in batches, one at a time to each server, to all servers in
/// parallel. What a unit's replies say is decided for it alone: done, elsewhere, or later.
///
/// Where order counts, of each key one element is on its way at a time, and the next one when it has been answered: a
/// redirected write can't be overtaken by one that came after it.
struct ClusterCall<Operation: KeyedOperation> {
    /// Elements that are sent, and redirected, together: indices of the call's elements.
    struct Unit: Sendable {
        var indices: [Int]
        var route: ClusterRoute
        /// In the place of the call's, where a server refused that.
        var alternative: Operation?
    }

    /// Units that travel together, and what came of it.
    struct Batch: Sendable {
        let key: ClusterNodes.Key
        var units: [Unit]
        /// Which of the replies are whose.
        var parts: [Range<Int>] = []
        var result: Result<[RESPValue], CacheError> = .success([])
    }

    enum Event: Sendable {
        case answered(Batch)
        case woken(ContinuousClock.Instant)
    }

    /// So many servers are talked to at once; others have their turn after them.
    private static var maximumBatches: Int { 64 }

    let operation: Operation
    let elements: [Operation.Element]
    let topology: ClusterTopology
    /// Units of one call that one server may answer go to the same replica.
    private let replicaChoice = Int.random(in: 0..<Int.max)
    var outputs: [Operation.Output?]
    /// Of elements that have no output, because what became of them is not known or they were not sent.
    var failures: [Int: CacheError] = [:]
    var ready: [ClusterNodes.Key: Deque<Unit>] = [:]
    var busy: Set<ClusterNodes.Key> = []
    var sleeping: [(until: ContinuousClock.Instant, unit: Unit)] = []
    var timer: ContinuousClock.Instant?
    /// The next element of the same key, where order counts.
    var successors: [Int: Int] = [:]
    /// What ends the whole call.
    var ending: CacheError?

    init(_ operation: Operation, _ elements: [Operation.Element], _ topology: ClusterTopology) {
        self.operation = operation
        self.elements = elements
        self.topology = topology
        outputs = Array(repeating: nil, count: elements.count)
    }

    mutating func run() async throws(CacheError) -> [Operation.Output] {
        let map = try await topology.map.current()
        for unit in units() { enqueue(unit, map) }
        await withTaskGroup(of: Event.self) { group in
            var running = 0
            while ending == nil, !isOver {
                let batches = nextBatches()
                // Most calls are about one key, and need no task for it.
                if running == 0, batches.count == 1, sleeping.isEmpty {
                    take(await Self.send(batches[0], operation, elements, topology))
                    continue
                }
                for batch in batches {
                    running += 1
                    group.addTask { [operation, elements, topology] in
                        .answered(await Self.send(batch, operation, elements, topology))
                    }
                }
                if let wake = nextWake() {
                    running += 1
                    group.addTask {
                        try? await Task.sleep(until: wake, clock: .continuous)
                        return .woken(wake)
                    }
                }
                guard let event = await group.next() else { return }
                running -= 1
                switch event {
                case .answered(let batch): take(batch)
                case .woken(let instant): wake(instant)
                }
            }
            group.cancelAll()
        }
        return try collect()
    }

    private var isOver: Bool { busy.isEmpty && sleeping.isEmpty && ready.values.allSatisfy(\.isEmpty) }

    /// Elements by slot, in order.
    private mutating func units() -> [Unit] {
        var units: [Unit] = []
        let reads = operation.isIdempotent
        var last: [String: Int] = [:]
        var open: [HashSlot: Int] = [:]
        for (index, element) in elements.enumerated() {
            let key = operation.key(of: element)
            if !reads, let earlier = last.updateValue(index, forKey: key) {
                successors[earlier] = index
                continue
            }
            let slot = HashSlot(of: key)
            if let position = open[slot], units[position].indices.count < operation.maximumUnitCount {
                units[position].indices.append(index)
            } else {
                open[slot] = units.count
                units.append(unit(index, slot))
            }
        }
        return units
    }

    func unit(_ index: Int, _ slot: HashSlot) -> Unit {
        Unit(
            indices: [index],
            route: ClusterRoute(
                slot: slot, readsFromReplica: topology.readsFromReplicas && operation.mayAskReplica))
    }

    mutating func enqueue(_ unit: Unit, _ map: SlotMap?, isRetry: Bool = false) {
        var unit = unit
        guard let map, let key = unit.route.key(in: map, choice: replicaChoice) else {
            unit.route.begin(at: .now, topology.bounds)
            return take(topology.note(nobodyHas: &unit.route), unit)
        }
        if isRetry {
            ready[key, default: []].prepend(unit)
        } else {
            ready[key, default: []].append(unit)
        }
    }

    /// A batch for each server that has units and none on its way.
    private mutating func nextBatches() -> [Batch] {
        var batches: [Batch] = []
        for key in Array(ready.keys) where !busy.contains(key) && busy.count < Self.maximumBatches {
            var batch = Batch(key: key, units: [])
            var count = 0
            var bytes = 0
            while let next = ready[key]?.first {
                let size = next.indices.reduce(0) { $0 + operation.byteCount(of: elements[$1]) }
                let isFull = count + next.indices.count > Chunks.maximumCount || bytes + size > Chunks.maximumBytes
                if isFull, !batch.units.isEmpty { break }
                ready[key]?.removeFirst()
                batch.units.append(next)
                batch.units[batch.units.count - 1].route.begin(at: .now, topology.bounds)
                count += next.indices.count
                bytes += size
            }
            if ready[key]?.isEmpty == true { ready[key] = nil }
            if batch.units.isEmpty { continue }
            busy.insert(key)
            batches.append(batch)
        }
        return batches
    }

    private static func send(
        _ batch: Batch, _ operation: Operation, _ elements: [Operation.Element], _ topology: ClusterTopology
    ) async -> Batch {
        var batch = batch
        var writer = RESPWriter()
        var unitCount = 1
        for unit in batch.units {
            if unit.route.target.asks { writer.command("ASKING") }
            let start = writer.commandCount
            (unit.alternative ?? operation).encode(elements.only(unit.indices), into: &writer)
            batch.parts.append(start..<writer.commandCount)
            unitCount = max(unitCount, unit.indices.count)
        }
        var commands = CommandBatch(
            writer, valuesPerReply: operation.valuesPerReply(unitCount: unitCount),
            isIdempotent: operation.isIdempotent)
        commands.writes = operation.writes(elements.only(batch.units.flatMap(\.indices)))
        do throws(CacheError) {
            batch.result = .success(try await topology.nodes.node(batch.key).send(commands))
        } catch {
            await topology.doubt(after: error, of: batch.key)
            batch.result = .failure(error)
        }
        return batch
    }
}

extension Array where Element: Sendable {
    /// The elements at some indices; without a copy where that is one.
    func only(_ indices: [Int]) -> ArraySlice<Element> {
        if indices.count == 1, let index = indices.first { return self[index...index] }
        return indices.map { self[$0] }[...]
    }
}
