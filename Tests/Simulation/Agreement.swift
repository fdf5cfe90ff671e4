import CacheKit
import CacheKitCore
import CacheKitTesting

/// Whether all nodes show what the remote holds, once everything is quiet and has been read.
///
/// Unchecked: see ``VirtualTime``.
final class Agreement: @unchecked Sendable {
    private let nodes: [SimulatedNode]
    private let keys: [CacheKey]
    private let world: World
    private var shown: [String: [CacheKey: [UInt8]?]] = [:]

    init(_ nodes: [SimulatedNode], _ keys: [CacheKey], _ world: World) {
        self.nodes = nodes
        self.keys = keys
        self.world = world
    }

    /// Reads everything everywhere, some times: what a read finds out may be sent on, and a loss may be found that has to be mended
    /// first. `false` if time does not go on.
    func check(_ advance: (Int64) -> Bool) -> Bool {
        for _ in 0..<4 {
            readAll()
            guard advance(30_000) else { return false }
        }
        for node in nodes {
            for key in keys { check(node, key) }
        }
        return true
    }

    private func readAll() {
        shown = [:]
        for node in nodes {
            world.time.start { [self] in
                for key in keys {
                    if let value = await node.value(of: key) { shown[node.name, default: [:]][key] = value }
                }
            }
        }
    }

    private func check(_ node: SimulatedNode, _ key: CacheKey) {
        guard let shown = shown[node.name]?[key] else {
            return world.violate("\(node.name), \(key.string): could not be read although all is well")
        }
        guard let file = node.store?.base.file, !file.isSetAside(key) else { return }
        let (record, cell) = world.remote.read { cells, now in
            (cells.buckets[SimulatedRemote.bucket(of: key)]?.records[key], cells.live(key, at: now))
        }
        let number = shown.map { "\(World.number(of: $0))" } ?? "nothing"
        if let cell {
            // What ends about now may have ended for one and not for the other.
            if let end = cell.expiresAt, end < world.now.advanced(by: .seconds(90)) { return }
            let held = cell.value.flatMap { world.payload(of: $0, for: key) }
            guard held != shown else { return }
            // Told in full by whoever replays the seed.
            world.note(
                "\(node.name) has \(file.rows[key].map { "\($0.version) \($0.origin) \($0.isTombstone) ends \($0.staleAt.milliseconds - world.now.milliseconds) base \($0.base.count)" } ?? "no row"), the record is \(record.map { "\($0.version) \($0.kind)" } ?? "missing")"
            )
            world.violate(
                "\(node.name), \(key.string): shows \(number), the remote has \(held.map { World.number(of: $0) } ?? 0)"
            )
        } else if let shown {
            // A value that was evicted there, or deleted by somebody without versions, is kept here.
            if let record, record.kind == .value, world.versions[shown]?.contains(record.version) == true { return }
            // Its life may have ended for one and not for the other, whose clock is wrong.
            if let row = file.rows[key], row.staleAt < world.now.advanced(by: .seconds(90)) { return }
            world.violate("\(node.name), \(key.string): shows \(number), the remote has nothing")
        }
    }
}

extension SimulatedFile {
    /// Whether the row of a key waits for a person.
    fileprivate func isSetAside(_ key: CacheKey) -> Bool {
        guard let row = rows[key] else { return false }
        return parked.contains { $0.sequence == row.sequence } || deadLetters.contains { $0.sequence == row.sequence }
    }
}
