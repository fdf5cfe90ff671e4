public import CacheKitCore

/// What goes wrong in a store that fails on demand: the error that the caller gets, and whether the call takes effect all the
/// same.
public struct SimulatedFailure: Sendable {
    /// What the caller gets.
    public let error: CacheError
    /// Whether a write takes effect before its caller gets the error, as when a reply is lost.
    public let takesEffect: Bool

    /// Any error.
    public static func error(_ error: CacheError, takesEffect: Bool = false) -> SimulatedFailure {
        SimulatedFailure(error: error, takesEffect: takesEffect)
    }

    private static func error(_ code: CacheError.Code, _ message: String, takesEffect: Bool = false) -> SimulatedFailure
    {
        .error(CacheError(code, message), takesEffect: takesEffect)
    }
}

/// What goes wrong on a disk.
extension SimulatedFailure {
    /// ``CacheError/Code/diskFull``.
    public static let diskFull = error(.diskFull, "no space is left on the device (simulated)")
    /// ``CacheError/Code/inputOutput``.
    public static let inputOutput = error(.inputOutput, "the device failed to read or write (simulated)")
    /// ``CacheError/Code/storeBusy``.
    public static let busy = error(.storeBusy, "another connection holds the file (simulated)")
    /// ``CacheError/Code/readOnlyStore``.
    public static let readOnly = error(.readOnlyStore, "the file can't be written (simulated)")
    /// ``CacheError/Code/damagedStore``.
    public static let damaged = error(.damagedStore, "the file is damaged (simulated)")
    /// ``CacheError/Code/tamperedStore``; for one row of a ``SimulatedLocalStore`` see ``SimulatedLocalStore/alter(_:)``.
    public static let tampered = error(.tamperedStore, "a row does not authenticate (simulated)")
    /// ``CacheError/Code/backPressure``.
    public static let backPressure = error(.backPressure, "too much is pending (simulated)")
}

/// What goes wrong on the way to a server, or at it.
extension SimulatedFailure {
    /// ``CacheError/Code/remoteUnavailable``: nothing was sent.
    public static let unavailable = error(.remoteUnavailable, "the server can't be reached (simulated)")
    /// ``CacheError/Code/remoteTimeout``: no answer came, and the server did nothing.
    public static let timeout = error(.remoteTimeout, "the server did not answer in time (simulated)")
    /// ``CacheError/Code/remoteTimeout``: no answer came, and the server did what it was asked.
    public static let timeoutAfterEffect = error(
        .remoteTimeout, "the server did not answer in time (simulated)", takesEffect: true)
    /// ``CacheError/Code/mayHaveBeenApplied``: the reply was lost, and the server did what it was asked.
    public static let replyLost = error(
        .mayHaveBeenApplied, "the connection was lost after sending (simulated)", takesEffect: true)
    /// ``CacheError/Code/mayHaveBeenApplied``: the connection was lost, and the server had not done it.
    public static let requestLost = error(.mayHaveBeenApplied, "the connection was lost after sending (simulated)")
    /// ``CacheError/Code/remoteNotReady``: trying again may help.
    public static let notReady = error(.remoteNotReady, "the server is loading its data (simulated)")
    /// ``CacheError/Code/remoteAuthentication``.
    public static let refused = error(.remoteAuthentication, "the server refused the user or the password (simulated)")
    /// ``CacheError/Code/remoteRejected``: this command, whoever sends it.
    public static let rejected = error(.remoteRejected, "the server answered with an error (simulated)")
}
