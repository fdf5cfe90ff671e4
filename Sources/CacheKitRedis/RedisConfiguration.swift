public import CacheKit
public import CacheKitCore

/// How to reach a Redis server and how much to ask of it.
public struct RedisConfiguration: RemoteStoreProvider {
    /// The highest database number taken.
    public static let maximumDatabase = 65_535

    /// Gives the user and password for each new connection, so that they can rotate; `nil` uses those of the address.
    ///
    /// What it throws fails the connection attempt; it must return within ``connectTimeout``.
    public var credentials: (@Sendable () async throws -> RedisCredentials)?
    /// Gives the user and password for the sentinels, for each new connection to one of them; `nil`, the default, is none.
    ///
    /// The credentials of the address, and ``credentials``, are for the data servers and never sent to sentinels. What it
    /// throws fails the question; it must return within ``connectTimeout``.
    public var sentinelCredentials: (@Sendable () async throws -> RedisCredentials)?
    /// How long resolving, connecting and logging in may take together. Default 5 s; from 1 ms to 10 minutes.
    public var connectTimeout: Duration = .seconds(5)
    /// How long a call waits for its replies, from the moment there is a connection. Default 5 s; from 1 ms to 10 minutes.
    ///
    /// A connection on which nothing moves for that long while a reply is due counts as dead and is closed; one that is only
    /// slow is kept.
    public var commandTimeout: Duration = .seconds(5)
    /// Commands sent or about to be sent and not answered. Default 16,384; from 1 to 1,048,576. Callers past it wait.
    public var maximumCommandsInFlight = 16_384
    /// Bytes of those commands. Default 16 MiB; from 1 KiB to 1 GiB. A larger single batch goes when it is alone.
    public var maximumBytesInFlight = 16 << 20
    /// Callers that may wait for room. Default 10,000; from 0 to 1,000,000. Further ones get
    /// ``CacheError/Code/backPressure``.
    public var maximumWaitingCallers = 10_000
    /// Values of at least so many bytes are written over a second connection, so that small ones need not wait for them.
    /// Default 256 KiB; from 4 KiB to 512 MiB; `nil` for one connection only.
    ///
    /// It is made when it is first needed, closed after 30 s without use, and has bounds of its own: up to twice the commands
    /// and bytes of ``maximumCommandsInFlight`` and ``maximumBytesInFlight`` can be under way. Writes of one key keep their
    /// order. Reads all go over the first connection: how large a value is shows only when it comes.
    public var largeValueBytes: Int? = 256 << 10
    /// The largest value in a reply, in bytes; a larger one fails the connection. `nil` (the default) takes the cache's
    /// own limit for values and adds 64 KiB. From 1 KiB to 512 MiB.
    public var maximumReplyBytes: Int?
    /// The upper bound of the first wait before connecting again. Default 45 ms; from 1 ms to 1 s.
    ///
    /// Waits double, are drawn evenly between zero and their bound ("full jitter"), and reset once a command is answered.
    public var initialBackoff: Duration = .milliseconds(45)
    /// The upper bound of any wait before connecting again. Default 5 s; from 1 ms to 10 minutes.
    public var maximumBackoff: Duration = .seconds(5)
    /// Whether the replicas of a Cluster answer reads, to take load off its masters. Default `false`.
    ///
    /// Such a read may be old: a replica follows its master by milliseconds, and by more when it is behind. While a slot is
    /// on its way to another master, keys that have gone already read as missing. Where a replica does not answer, its master is asked.
    public var readsFromReplicas = false
    /// Failures in a row that open the circuit breaker. Default 2; from 1 to 100.
    ///
    /// A failure is a connection that could not be made or was lost, nothing else: error replies of a server that lives are
    /// none. A deadline that passes without a byte opens it at once. While it is open, calls fail at once with
    /// ``CacheError/Code/remoteUnavailable``; after the next wait (see ``initialBackoff``) one call probes, and its answer
    /// closes it. With 1, nothing is sent again after a loss.
    public var breakerThreshold = 2
    /// What `CLIENT LIST` shows for our connections. Default `cachekit`; printable ASCII without blanks, empty for none.
    public var clientName = "cachekit"
    /// Whether link-local and cloud metadata addresses may be connected to. Default `false`.
    public var allowsLinkLocal = false
    /// How connections of a `rediss://` address are encrypted. Default `nil`: as ``RedisTLS`` has it by default.
    ///
    /// Refused with an address that does not ask for TLS.
    public var tls: RedisTLS?

    /// Only keys that begin with one of these are heard of when others change them; empty (the default) for all keys.
    ///
    /// At most 64, each of 1 to 1,024 bytes. On a server that many share, prefixes keep the writes of others away from
    /// this one. Keys outside them are served from memory until they expire.
    public var followedPrefixes: [String] = []

    /// Who is told of the connections; the store's own.
    var observer: (any ConnectionObserver)?

    // For tests of the tier itself; nobody needs another time.
    var largeValueIdle = Duration.seconds(30)

    // Kept as a result, so that `.redis("...")` needs no `try`; the store reports it when it is opened.
    private(set) var address: Result<RedisURL, CacheError>
    /// Whether there is an address, good or bad.
    package private(set) var isAddressed = true
    /// What TLS connections share; the store sets it in its own copy when it is opened, before it connects to any server.
    var tlsContext: TLSContext?

    /// Configuration for an address that was parsed.
    public init(url: RedisURL) {
        address = .success(url)
    }

    /// Configuration for an address as text; what is wrong with it is thrown when the store is opened.
    ///
    /// - Parameter allowsUnknownParameters: Whether parameters of the address that mean nothing here are passed over.
    public init(_ url: String, allowsUnknownParameters: Bool = false) {
        do throws(CacheError) {
            address = .success(try RedisURL(url, allowsUnknownParameters: allowsUnknownParameters))
        } catch {
            address = .failure(error)
        }
    }

    private init() {
        address = .failure(CacheError(.invalidConfiguration, "Redis has no address; give one, such as redis://host"))
        isAddressed = false
    }

    /// Everything but an address, which may follow.
    package static var unaddressed: RedisConfiguration { RedisConfiguration() }

    /// The same of another server.
    package mutating func move(to address: Result<RedisURL, CacheError>) {
        self.address = address
        isAddressed = true
    }

    /// The address, if it could be parsed.
    package var url: RedisURL? { try? address.get() }

    /// Makes the store; connects with the first call.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` for a bad address or a value out of bounds.
    public func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? {
        try RedisStore(self, context: context)
    }
}

extension RedisConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The address without user and password.
    public var description: String {
        switch address {
        case .success(let url): "RedisConfiguration(\(url))"
        case .failure: "RedisConfiguration(invalid address)"
        }
    }
    /// The address without user and password.
    public var debugDescription: String { description }
    /// Only what ``description`` shows.
    public var customMirror: Mirror { Mirror(self, children: ["address": description]) }
}

extension RemoteStoreProvider where Self == RedisConfiguration {
    /// Redis at an address; see ``RedisURL`` for its forms.
    public static func redis(_ url: String) -> Self { RedisConfiguration(url) }
}
