internal import CacheKit
public import CacheKitCore

/// A Redis address as text.
///
/// - `redis://[user:password@]host[:port][/db]`: one server, by TCP (port 6379)
/// - `redis+unix://[user:password@]/path[?db=N]`: one server, by a unix socket
/// - `redis+sentinel://[user:password@]host[:port][,host[:port]...]/master[/db]`: the master of that name, as the sentinels
///   at these addresses know it (port 26379)
/// - `redis+cluster://[user:password@]host[:port][,host[:port]...]`: a Cluster, some of whose nodes are these (port 6379)
///
/// `rediss` in the place of `redis` means TLS. The first form is that of the IANA registration of `redis://`
/// (https://www.iana.org/assignments/uri-schemes/prov/redis). User, password, host and path are percent-decoded. An IPv6
/// address stands in brackets. What is not understood is refused, never ignored.
public struct RedisURL: Sendable {
    /// Which servers there are.
    public enum Topology: Hashable, Sendable {
        /// One.
        case single
        /// A master and its replicas, watched by sentinels, at whose addresses the master's is asked for.
        case sentinel(master: String)
        /// Masters that share the keys, and their replicas.
        case cluster
    }

    /// At most so many addresses are taken.
    public static let maximumEndpoints = 64

    /// Which servers there are.
    public var topology = Topology.single
    /// Where servers listen: the one, the sentinels, or some nodes of the Cluster.
    public var endpoints: [RedisEndpoint]
    /// Whether connections are encrypted.
    public var usesTLS = false
    /// The database number; 0 unless given.
    public var database: Int
    /// User and password, if given.
    public var credentials: RedisCredentials?

    /// Parses a URL.
    ///
    /// - Parameter allowsUnknownParameters: Whether parameters after '?' that mean nothing here are passed over, for addresses
    ///   that other clients read too. Without, they are refused: what was meant by one would not happen.
    /// - Throws: ``CacheError/Code/invalidConfiguration``; the message never repeats any part of the URL but the scheme.
    public init(_ string: String, allowsUnknownParameters: Bool = false) throws(CacheError) {
        guard let separator = string.utf8Range(of: "://") else {
            throw Self.invalid("has no scheme; write redis://host:port or redis+unix:///path")
        }
        let scheme = string[..<separator.lowerBound].lowercased()
        let rest = string[separator.upperBound...]
        guard !rest.utf8.contains(UInt8(ascii: "#")) else {
            throw Self.invalid("has a fragment; percent-encode '#' as %23 or remove it")
        }
        switch scheme {
        case "redis", "rediss": try self.init(tcp: rest, allowsUnknownParameters)
        case "redis+unix", "unix": try self.init(unix: rest, allowsUnknownParameters)
        case "redis+sentinel", "rediss+sentinel": try self.init(sentinels: rest, allowsUnknownParameters)
        case "redis+cluster", "rediss+cluster": try self.init(cluster: rest, allowsUnknownParameters)
        default:
            throw Self.invalid(
                "has an unknown scheme; use redis://, redis+unix://, redis+sentinel:// or redis+cluster:// (rediss for TLS)"
            )
        }
        usesTLS = scheme.hasPrefix("rediss")
    }

    /// The first address.
    var endpoint: RedisEndpoint { endpoints[0] }

    private init(tcp rest: Substring, _ allowsUnknownParameters: Bool) throws(CacheError) {
        let (address, query) = rest.split(at: "?")
        let (authority, path) = address.split(at: "/")
        let (userPart, hostPart) = authority.splitAtLast("@")
        credentials = try Self.credentials(userPart)
        endpoints = [try Self.tcpEndpoint(hostPart, port: 6379)]
        let inQuery = try Self.database(query: query, allowsUnknownParameters)
        let inPath = path.flatMap { $0.isEmpty ? nil : $0 }
        guard inPath == nil || inQuery == nil else { throw Self.invalid("names the database twice; keep one") }
        database = try inPath.map { text throws(CacheError) in try Self.database(text) } ?? inQuery ?? 0
    }

    private init(sentinels rest: Substring, _ allowsUnknownParameters: Bool) throws(CacheError) {
        let (address, query) = rest.split(at: "?")
        let (authority, path) = address.split(at: "/")
        guard try Self.database(query: query, allowsUnknownParameters) == nil else {
            throw Self.invalid("has its database in a parameter; write redis+sentinel://host:port/name/1")
        }
        let (userPart, hosts) = authority.splitAtLast("@")
        credentials = try Self.credentials(userPart)
        endpoints = try Self.tcpEndpoints(hosts, port: 26379)
        let (name, number) = (path ?? "").split(at: "/")
        let master = try Self.decoded(name, part: "master's name")
        guard !master.isEmpty, master.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw Self.invalid("has no master's name; write redis+sentinel://host:port/name")
        }
        topology = .sentinel(master: master)
        database = try number.map { text throws(CacheError) in try Self.database(text) } ?? 0
    }

    private init(cluster rest: Substring, _ allowsUnknownParameters: Bool) throws(CacheError) {
        let (address, query) = rest.split(at: "?")
        let (authority, path) = address.split(at: "/")
        // https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#implemented-subset
        guard path ?? "" == "", try Self.database(query: query, allowsUnknownParameters) == nil else {
            throw Self.invalid("has a path or names a database; a Cluster has only one")
        }
        let (userPart, hosts) = authority.splitAtLast("@")
        credentials = try Self.credentials(userPart)
        endpoints = try Self.tcpEndpoints(hosts, port: 6379)
        topology = .cluster
        database = 0
    }

    private static func tcpEndpoints(_ text: Substring, port: Int) throws(CacheError) -> [RedisEndpoint] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= maximumEndpoints else {
            throw invalid("has more than \(maximumEndpoints) hosts; name a few, the others are found through them")
        }
        return try parts.map { part throws(CacheError) in try tcpEndpoint(part, port: port) }
    }

    private init(unix rest: Substring, _ allowsUnknownParameters: Bool) throws(CacheError) {
        let (address, query) = rest.split(at: "?")
        guard let slash = address.firstIndex(of: "/") else {
            throw Self.invalid("has no socket path; write redis+unix:///path/to/redis.sock")
        }
        let (userPart, host) = address[..<slash].splitAtLast("@")
        guard host.isEmpty else {
            throw Self.invalid("has a host before the socket path; write three slashes: redis+unix:///path")
        }
        credentials = try Self.credentials(userPart)
        let path = try Self.decoded(address[slash...], part: "socket path")
        guard path.utf8.count > 1, !path.utf8.contains(0) else { throw Self.invalid("has an empty socket path") }
        endpoints = [.unix(path: path)]
        database = try Self.database(query: query, allowsUnknownParameters) ?? 0
    }

    private static func tcpEndpoint(_ text: Substring, port standardPort: Int) throws(CacheError) -> RedisEndpoint {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw invalid("has an IPv6 address without its closing ']'")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw invalid("has text after the IPv6 address") }
            port = after.isEmpty ? nil : after.dropFirst()
            guard host.contains(":") else { throw invalid("has brackets around something that is not an IPv6 address") }
        } else {
            (host, port) = text.split(at: ":")
            guard port?.contains(":") != true else {
                throw invalid("has an IPv6 address without brackets; write [::1]")
            }
        }
        let name = try decoded(host, part: "host")
        guard !name.isEmpty else { throw invalid("has no host; write redis://host:port") }
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { throw invalid("has a host with blanks in it") }
        guard let port else { return .tcp(host: name, port: standardPort) }
        guard let number = decimal(port), (1...65535).contains(number) else {
            throw invalid("has a bad port; give 1 to 65535")
        }
        return .tcp(host: name, port: number)
    }

    private static func credentials(_ text: Substring?) throws(CacheError) -> RedisCredentials? {
        guard let text else { return nil }
        let (user, password) = text.split(at: ":")
        guard let password else {
            throw invalid("has a user without a password; write user:password@ (or :password@ for the default user)")
        }
        let name = try decoded(user, part: "user")
        let secret = try decoded(password, part: "password")
        guard !(name.isEmpty && secret.isEmpty) else { throw invalid("has an empty user and password; remove ':@'") }
        return RedisCredentials(username: name.isEmpty ? nil : name, password: secret)
    }

    private static func database(
        query: Substring?, _ allowsUnknownParameters: Bool
    ) throws(CacheError) -> Int? {
        guard let query, !query.isEmpty else { return nil }
        var result: Int?
        for parameter in query.split(separator: "&", omittingEmptySubsequences: false) {
            let (name, value) = parameter.split(at: "=")
            guard name == "db", let value else {
                if allowsUnknownParameters, name != "db" { continue }
                throw invalid(
                    "has an unknown parameter; only 'db' is known, allowsUnknownParameters passes over others")
            }
            guard result == nil else { throw invalid("names the database twice; keep one") }
            result = try database(value)
        }
        return result
    }

    private static func database(_ text: Substring) throws(CacheError) -> Int {
        guard let number = decimal(text), number <= RedisConfiguration.maximumDatabase else {
            throw invalid("has a bad database; give a number from 0 to \(RedisConfiguration.maximumDatabase)")
        }
        return number
    }

    // Int("+1") is a number; a port or database of that form is not.
    private static func decimal(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    private static func decoded(_ text: Substring, part: String) throws(CacheError) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                throw invalid("has a bad percent escape in its \(part); write '%' as %25")
            }
            bytes.append(high << 4 | low)
        }
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw invalid("has a \(part) that is not UTF-8 after percent-decoding")
        }
        return string
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) }
    }

    private static func invalid(_ reason: String) -> CacheError {
        CacheError(.invalidConfiguration, "the Redis URL \(reason)")
    }
}

extension RedisURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The address without user and password.
    public var description: String {
        let user = credentials == nil ? "" : "***@"
        let scheme = usesTLS ? "rediss" : "redis"
        if case .unix(let path) = endpoint { return "\(scheme)+unix://\(user)\(path)?db=\(database)" }
        let hosts = endpoints.map(\.description).joined(separator: ",")
        return switch topology {
        case .single: "\(scheme)://\(user)\(hosts)/\(database)"
        case .sentinel(let master): "\(scheme)+sentinel://\(user)\(hosts)/\(master)/\(database)"
        case .cluster: "\(scheme)+cluster://\(user)\(hosts)"
        }
    }
    /// The address without user and password.
    public var debugDescription: String { description }
    /// Only what ``description`` shows.
    public var customMirror: Mirror { Mirror(self, children: ["address": description]) }
}

extension StringProtocol where SubSequence == Substring {
    /// Splits at the first separator; the second part is `nil` where there is none.
    fileprivate func split(at separator: Character) -> (Substring, Substring?) {
        guard let index = firstIndex(of: separator) else { return (self[...], nil) }
        return (self[..<index], self[self.index(after: index)...])
    }

    /// Splits at the last separator; the first part is `nil` where there is none.
    fileprivate func splitAtLast(_ separator: Character) -> (Substring?, Substring) {
        guard let index = lastIndex(of: separator) else { return (nil, self[...]) }
        return (self[..<index], self[self.index(after: index)...])
    }
}

extension String {
    fileprivate func utf8Range(of text: StaticString) -> Range<String.Index>? {
        let wanted = Array(text.description.utf8)
        var start = utf8.startIndex
        while start != utf8.endIndex {
            if utf8[start...].starts(with: wanted) {
                return start..<utf8.index(start, offsetBy: wanted.count)
            }
            start = utf8.index(after: start)
        }
        return nil
    }
}
