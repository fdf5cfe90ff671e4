import CacheKitCore

extension CacheError {
    /// Whether the remote refused this change by itself, so that others may go on.
    var concernsOneChange: Bool {
        switch code {
        case .remoteRejected, .valueTooLarge, .tamperedStore: true
        default: false
        }
    }

    /// Whether the server of a shard is away, or busy with itself, so that other shards may go on.
    var concernsOneShard: Bool {
        switch code {
        case .remoteUnavailable, .remoteTimeout, .remoteNotReady, .mayHaveBeenApplied: true
        default: false
        }
    }

    /// Whether trying again can't help before somebody mends the configuration.
    var needsOperator: Bool {
        switch code {
        case .remoteAuthentication, .invalidConfiguration: true
        default: false
        }
    }
}
