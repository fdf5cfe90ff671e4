import CacheKit

/// How changes of a namespace are treated on their way (docs/sync.md).
public struct SyncPolicy: Sendable, Equatable {
    /// What happens to a change that is older than what the remote holds.
    public enum Stale: Sendable {
        /// The newer version stays, and is taken over here.
        case remoteWins
        /// The change gets a version above the remote's and is sent again.
        case localWins
    }

    /// What happens to a late change where somebody without versions wrote meanwhile.
    public enum Foreign: Sendable {
        /// What was written stays, and is taken over here.
        case remoteWins
        /// The change replaces it, unless yet another one is written.
        case localWins
        /// Both go.
        case invalidate
    }

    /// What happens to a late change where the value that it would replace is gone before its time.
    public enum Absent: Sendable {
        /// It is written: the value was evicted, most likely.
        case apply
        /// It is given up: the value was deleted, most likely.
        case drop
    }

    /// What happens to changes that the remote had and lost.
    public enum Lost: Sendable {
        /// They are sent again, as far as they are still held here.
        case repopulate
        /// They are not.
        case trustRemote
    }

    /// Default: the newer version wins.
    public var stale = Stale.remoteWins
    /// Default: what somebody else wrote wins.
    public var foreign = Foreign.remoteWins
    /// Default: written.
    public var absent = Absent.apply
    /// Default: sent again.
    public var lost = Lost.repopulate
    /// Whether only this node ever writes the namespace: its changes go out as plain writes without versions, faster, and
    /// nothing protects them from another writer.
    public var isSingleWriter = false
    /// Whether the life of a value begins when it is first sent, however long that takes.
    public var pendingKeepsAlive = false

    /// The defaults.
    public init() {}
}

extension SyncPolicy {
    /// Whether the life of a value that waits begins when it is first sent: because of the policy, or of how it was written.
    func pendingKeepsAlive(for entry: StoredEntry) -> Bool { pendingKeepsAlive || entry.isKeptUntilSent }
}

extension StoredEntry {
    /// Gives it a version above the remote's, with a life that is as long from there as it was from the former one.
    mutating func raise(to version: Version) {
        let difference = self.version.time.duration(to: version.time)
        if difference > .zero, staleAt > self.version.time { move(by: difference) }
        self.version = version
    }
}
