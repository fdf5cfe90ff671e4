import CacheKit
public import CacheKitCore

/// What happens to writes while too many changes wait for the remote.
public struct BackPressure: Sendable, Equatable {
    /// What a write meets at the bound.
    public enum Response: Sendable, Equatable {
        /// It waits for room, at most so long, and is then refused.
        case block(timeout: Duration)
        /// It is refused at once.
        case reject
        /// It is committed, and acknowledged only when the remote has it. Refused after so long, it stays pending; where it lost
        /// against what the remote holds, or was set aside, the caller is told (``CacheKitCore/CacheError/Code/notApplied``).
        case writeThrough(timeout: Duration)
    }

    /// The most changes that may be pending; `nil` for any number, as far as the store's size limit goes.
    public var changes: Int?
    /// The most bytes of values that may be pending; `nil` for any number.
    public var bytes: Int?
    /// What a write meets at the bound. Default: waits five seconds.
    public var response = Response.block(timeout: .seconds(5))

    /// No bound but the store's own.
    public init() {}

    /// Whether a backlog is at the bound.
    func isReached(by backlog: Backlog) -> Bool {
        backlog.changes >= changes ?? .max || backlog.bytes >= bytes ?? .max
    }

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        problems.require(changes ?? 1 >= 1, "changes", text: "must be at least 1, or left out for no bound")
        problems.require(bytes ?? 1 >= 1, "bytes", text: "must be at least 1, or left out for no bound")
        switch response {
        case .reject: break
        case .block(let timeout), .writeThrough(let timeout):
            problems.require(timeout > .zero, "timeout", text: "must be longer than nothing")
        }
        return problems
    }
}
