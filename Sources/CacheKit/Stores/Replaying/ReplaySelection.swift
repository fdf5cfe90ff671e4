/// Which changes of the local store a replay sends again.
///
/// Only changes that were made here: what came from the remote is not ours to send. Changes that were set aside have their own
/// ways back.
public struct ReplaySelection: Sendable, Equatable {
    /// How far a change has come.
    public enum State: String, Sendable, CaseIterable {
        /// It has its outcome at the remote.
        case settled
        /// It waits to be pushed.
        case pending
        /// Either.
        case all
    }

    /// How far the changes have come. Default: settled.
    public var state = State.settled
    /// Only keys of this namespace; `nil` for all.
    public var namespace: String?
    /// Only keys like this; `nil` for all.
    public var pattern: KeyPattern?
    /// Only changes stamped at least so long before the replay began.
    public var olderThan: Duration?
    /// Only changes stamped at most so long before the replay began.
    public var newerThan: Duration?
    /// The first change; `nil` for the first there is.
    public var from: ChangeSequence?
    /// The last change; `nil` for the last there is when the replay begins.
    public var through: ChangeSequence?

    /// Every settled change.
    public init() {}
}

/// How a replay is done.
public struct ReplayOptions: Sendable, Equatable {
    /// What happens to changes that lost against what the remote holds.
    public enum Policy: String, Sendable, CaseIterable {
        /// Both sides stay as they are, and it is counted.
        case report
        /// The change takes the place of what is there.
        case localWins = "local-wins"
        /// What is there takes the place of the change; the loser is kept as a conflict.
        case remoteWins = "remote-wins"
    }

    /// What happens to changes that lost. Default: it is counted.
    public var policy = Policy.report
    /// Whether puts are sent that are older than tombstones are kept where no record tells what became of their key.
    public var sendsTooOld = false
    /// Changes sent in a second; `nil` for as many as the remote takes.
    public var rate: Int?
    /// Whether only what would happen is counted.
    public var isDryRun = false
    /// Whether a replay of the same selection that has not ended is begun anew instead of gone on with.
    public var restarts = false

    /// The defaults.
    public init() {}
}
