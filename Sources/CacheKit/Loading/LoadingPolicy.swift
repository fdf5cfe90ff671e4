public import CacheKitCore

/// How values of a namespace are loaded, refreshed, and served when no new one is to be had.
///
/// What is not set does nothing: each value is loaded when it is missing, by one caller at a time in the process, and the
/// others wait for it.
public struct LoadingPolicy: Sendable, Equatable {
    /// For how long after the end of its life a value is still served by ``Namespace/getOrSet(_:ttl:load:)-(String,_,_)`` while
    /// one load in the background replaces it. Default none; at most ten years.
    public var staleWhileRevalidate: Duration = .zero
    /// For how long after the end of its life a value is served if the loader throws or takes too long. Default none; at
    /// most ten years.
    public var staleIfError: Duration = .zero
    /// The share of a value's life after which a caller sets off a load in the background, 0.1 to 0.99; `nil` for none. Moved
    /// earlier at random by up to a tenth of the life, so that nodes which stored at the same moment do not load at the same.
    public var eagerRefresh: Double?
    /// How long a caller waits for the loader where a stale value may be served; after it the load goes on in the background.
    /// `nil` for as long as it takes.
    public var softDeadline: Duration?
    /// How long a load may take. After it the loader is cancelled, what it gives later is dropped, and callers get a stale value or
    /// ``CacheError/Code/loadTimeout``. Default five minutes, at most a day.
    public var hardDeadline: Duration = .seconds(300)
    /// How long after a failed load nobody tries again while there is a value to serve, stale or due for a refresh. Default one
    /// second, at most an hour.
    public var retryPause: Duration = .seconds(1)
    /// How long "there is no such value" is remembered, where a loader gives `nil`. `nil` for not at all; an old value is
    /// let go of all the same where memory alone or Redis has it.
    public var negativeTTL: Duration?
    /// The largest share by which a life is shortened at random, 0 to 0.5, so that values which were stored together do
    /// not end together. Default 0.
    public var ttlJitter: Double = 0
    /// Whether each read lets a value's life begin anew: sliding expiry. Renewed when less than half of it is left; each renewal is
    /// a write. Default no.
    public var isSliding = false
    /// How long after it was first stored a sliding value lives at the most. `nil` for as long as it is read.
    public var slidingLimit: Duration?
    /// What callers do who waited for a load that failed.
    public var onFailure: FailurePolicy = .shareError
    /// Whether, of all processes that have the same local store open, one at a time loads a key. Needs a store that gives out
    /// locks, as `.sqlite(path:)`. A killed process frees its lock at once. A load of many keys at once runs for
    /// those that nobody else loads; for the others it waits, and runs again for what was not stored then.
    public var isOnePerFile = false
    /// Whether, of all nodes and sibling SDKs on the same remote, one at a time loads a key: with the lock of protocol section 8,
    /// so that a loader that is longer away than its lease (30 s) runs beside another. Needs a remote that gives out locks; while
    /// that is away, nodes load without. What the remote never holds, such as a negative result, each node loads itself, one
    /// after another. A loader of a key that its caller holds by ``Cache/withLock(for:wait:lease:_:)`` waits for its own caller.
    public var isOnePerFleet = false
    /// How long a caller waits for a load elsewhere; then it loads, too. Default 5 s, at most an hour.
    public var loadElsewhereTimeout: Duration = .seconds(5)

    /// What callers do who waited for a load that failed.
    public enum FailurePolicy: Sendable, Equatable {
        /// They get its error.
        case shareError
        /// They load themselves, one after the other.
        case loadThemselves
    }

    /// A policy in which nothing is set.
    public init() {}

    /// How long after the end of its life a value is kept.
    var keepsStale: Duration { max(staleWhileRevalidate, staleIfError) }

    /// Whether a value may be served though it is to be loaded anew.
    var servesOld: Bool { keepsStale > .zero || eagerRefresh != nil }

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        let longest = CacheConfiguration.maximumTTL
        var problems: [ConfigurationProblem] = []
        for (name, window) in [("staleWhileRevalidate", staleWhileRevalidate), ("staleIfError", staleIfError)] {
            problems.require((.zero...longest).contains(window), name, text: "must be from 0 to ten years")
        }
        problems.require(
            eagerRefresh.map { (0.1...0.99).contains($0) } ?? true, "eagerRefresh", text: "must be from 0.1 to 0.99")
        problems.require((0...0.5).contains(ttlJitter), "ttlJitter", text: "must be from 0 to 0.5")
        problems.require(softDeadline.map { $0 > .zero } ?? true, "softDeadline", text: "must be longer than nothing")
        problems.require(
            hardDeadline > .zero && hardDeadline <= .seconds(86_400), "hardDeadline",
            text: "must be longer than nothing and at most a day")
        problems.require(
            (.zero...Duration.seconds(3600)).contains(retryPause), "retryPause", text: "must be from 0 to an hour")
        problems.require(
            softDeadline == nil || keepsStale > .zero, "softDeadline",
            text: "needs stale values to serve: set staleIfError or staleWhileRevalidate")
        problems.require(
            softDeadline.map { $0 <= hardDeadline } ?? true, "softDeadline",
            text: "must not be longer than hardDeadline")
        problems.require(
            negativeTTL.map { $0 >= .milliseconds(1) && $0 <= longest } ?? true, "negativeTTL",
            text: "must be from one millisecond to ten years")
        problems.require(slidingLimit == nil || isSliding, "slidingLimit", text: "needs isSliding")
        problems.require(
            slidingLimit.map { $0 > .zero && $0 <= longest } ?? true, "slidingLimit",
            text: "must be longer than nothing and at most ten years")
        problems.require(
            loadElsewhereTimeout >= .zero && loadElsewhereTimeout <= .seconds(3600), "loadElsewhereTimeout",
            text: "must be from 0 to an hour")
        return problems
    }
}
