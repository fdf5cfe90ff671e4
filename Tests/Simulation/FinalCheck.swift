import CacheKit
import CacheKitCore
import CacheKitTesting

/// Whether the promises of docs/sync.md hold for what a node holds, once everything is quiet.
struct FinalCheck {
    private let node: SimulatedNode
    private let world: World
    private let file: SimulatedFile

    init(_ node: SimulatedNode, _ world: World) {
        self.node = node
        self.world = world
        file = node.file
    }

    func run() {
        for (key, sequence) in node.acknowledged.sorted(by: { $0.key.string < $1.key.string }) {
            checkOutcome(key, sequence)
        }
        for (key, row) in file.rows.sorted(by: { $0.key.string < $1.key.string }) where row.origin == .local {
            checkRemote(key, row)
        }
        checkAccount()
        if (node.store?.mostLoaded ?? 0) > 100 { world.violate("\(node.name) held more than it may") }
    }

    /// Every change that was ever made is counted once (promise 1).
    private func checkAccount() {
        let account = file.account
        let pending = file.rows.values.count { file.isPending($0) }
        let ended = file.superseded + account.passed + account.lost
        if account.made != ended + pending {
            world.violate(
                "\(node.name): of \(account.made) changes \(ended) have an outcome, and \(pending) are pending")
        }
        guard let outcomes = node.status?.outcomes else { return world.violate("\(node.name) gives no status") }
        let lost = account.lost - node.accountAtStart.lost
        let passed = account.passed - node.accountAtStart.passed
        let told = outcomes.applied + outcomes.expired + outcomes.parked + outcomes.deadLettered
        if outcomes.lost != lost || told != passed {
            world.violate("\(node.name) tells of \(outcomes), and \(lost) changes lost, \(passed) were settled")
        }
    }

    private func violate(_ message: String, _ key: CacheKey) {
        world.violate("\(node.name), \(key.string): \(message)")
    }

    /// Every acknowledged change has exactly one outcome (promise 1).
    private func checkOutcome(_ key: CacheKey, _ sequence: ChangeSequence) {
        guard let row = file.rows[key] else { return violate("an acknowledged change is gone", key) }
        let hasLost = file.conflicts.contains { $0.change.entry.sequence == sequence }
        if row.sequence == sequence {
            if file.isPending(row) { violate("a change is still pending", key) }
            if hasLost { violate("a change has lost and still stands", key) }
        } else if !hasLost, !node.pulledOver.sequences.contains(sequence) {
            violate("an acknowledged change was replaced without a conflict", key)
        }
    }

    /// What was applied is there, or something newer (promises 2, 3 and 5).
    private func checkRemote(_ key: CacheKey, _ row: StoredEntry) {
        guard !file.isPending(row), !file.parked.contains(where: { $0.sequence == row.sequence }),
            !file.deadLetters.contains(where: { $0.sequence == row.sequence })
        else { return }
        let (record, cell) = world.remote.read { cells, now in
            (cells.buckets[SimulatedRemote.bucket(of: key)]?.records[key], cells.live(key, at: now))
        }
        let writer = world.remote.writers[key]
        // A life that is over in between leaves nothing to compare, but what it replaced must not show.
        let isOver = !row.isTombstone && row.staleAt <= world.now.advanced(by: .seconds(30))
        if world.remote.metForeign[key]?.contains(row.version) == true { return }
        if isOver {
            if cell != nil, case .version(let version) = writer, version < row.version {
                violate("a value that was replaced shows again after its successor's life", key)
            }
            return
        }
        // After a loss nobody can tell whether it came before or after what was lost; it stays.
        if case .foreign = writer, cell != nil { return }
        guard let record else { return violate("what was applied has no record", key) }
        guard record.version <= row.version else { return }
        guard record.version == row.version else { return violate("the remote went back behind what was applied", key) }
        guard case .version(let version) = writer, version == row.version else { return }
        if row.isTombstone {
            if cell != nil { violate("a deleted key is back", key) }
        } else if let cell, cell.value != row.value {
            violate("one version has two values", key)
        }
    }
}
