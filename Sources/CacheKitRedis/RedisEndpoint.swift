/// Where a server listens.
public enum RedisEndpoint: Hashable, Sendable {
    /// A host name or an IP address (IPv6 without brackets), and a port from 1 to 65535.
    case tcp(host: String, port: Int)
    /// The path of a unix socket; at most 107 bytes on Linux.
    case unix(path: String)
}

extension RedisEndpoint {
    /// The name or address that a certificate has to have; a unix socket is on this machine.
    var host: String {
        switch self {
        case .tcp(let host, _): host
        case .unix: "localhost"
        }
    }
}

extension RedisEndpoint: CustomStringConvertible {
    /// `host:port`, an IPv6 address in brackets, or the path.
    public var description: String {
        switch self {
        case .tcp(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): path
        }
    }
}
