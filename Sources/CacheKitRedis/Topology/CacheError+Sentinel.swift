internal import CacheKitCore

// What can be wrong with the sentinels, or with what they say.
extension CacheError {
    /// Nobody who could know the master has answered.
    static func sentinelsSilent(_ cause: CacheError?) -> CacheError {
        CacheError(
            .remoteUnavailable,
            "no sentinel could be asked for the Redis master; check their addresses and the network",
            cause: cause)
    }

    /// Sentinels have answered; none of them watches a master of that name.
    static func sentinelsUnknowing(areAllAsked: Bool) -> CacheError {
        // Those who did not answer may know it: only what all of them say is a mistake in the address.
        areAllAsked
            ? CacheError(
                .invalidConfiguration,
                "the sentinels know no master of the name in the Redis URL; correct it, or the sentinels' configuration"
            )
            : CacheError(
                .remoteUnavailable,
                "the sentinels that answer know no master of the name in the Redis URL; check it and the other sentinels"
            )
    }

    /// The sentinels want a password, another one, or none.
    static func sentinelsRefuse(_ cause: CacheError) -> CacheError {
        CacheError(
            .remoteAuthentication,
            "the sentinels refuse user or password; set sentinelCredentials (the URL's are for the data only)",
            cause: cause)
    }

    /// The server that the sentinels name says of itself that it is a replica.
    static func sentinelsBehind() -> CacheError {
        CacheError(
            .remoteNotReady, "the server that the sentinels name is no master (yet); a failover is under way, try again"
        )
    }

    /// Why a connection to a master that is none any more was ended.
    static func sentinelsMoved() -> CacheError {
        CacheError(.remoteUnavailable, "the sentinels have made another server the Redis master; try again")
    }
}
