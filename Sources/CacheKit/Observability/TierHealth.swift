public import CacheKitCore

/// One tier's state.
public struct TierHealth: Sendable {
    /// Whether a tier answers.
    public enum State: Sendable {
        /// Not configured.
        case absent
        /// Answers.
        case available
        /// Does not answer, and why.
        case unavailable(CacheError)
    }

    /// Whether it answers.
    public var state: State
    /// How long its answer took just now; `nil` without one.
    public var latency: Duration?
    /// The last error that it gave any caller since the cache was made, and when; it may answer again since.
    public var lastError: CacheError?
    /// When that was.
    public var lastErrorAt: Timestamp?
}
