internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Turns an endpoint into a connected stream. Blocks: for I/O threads only.
struct Dialer: Sendable {
    var endpoint: RedisEndpoint
    let allowsLinkLocal: Bool
    /// How connections are encrypted; `nil` for plain ones.
    var tls: TLSContext?

    /// Resolves, connects and, where asked for, encrypts; tries each address of the name in turn.
    func dial(deadline: ContinuousClock.Instant) throws(CacheError) -> any ByteStream {
        let socket =
            switch endpoint {
            case .unix(let path): try dialUnix(path, deadline: deadline)
            case .tcp(let host, let port): try dialTCP(host, port, deadline: deadline)
            }
        guard let tls else { return socket }
        let stream = try TLSStream(socket, tls, endpoint)
        try stream.handshake(deadline: deadline)
        return stream
    }

    private func dialUnix(_ path: String, deadline: ContinuousClock.Instant) throws(CacheError) -> Socket {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        // One byte stays zero: the path ends there.
        guard bytes.count < capacity else {
            throw CacheError(
                .invalidConfiguration, "the path of the Redis socket is too long; at most \(capacity - 1) bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let socket = try Socket(family: AF_UNIX)
        try Self.connect(socket, &address, deadline: deadline)
        return socket
    }

    private static func connect<Address>(
        _ socket: Socket, _ address: inout Address, deadline: ContinuousClock.Instant
    ) throws(CacheError) {
        let size = socklen_t(MemoryLayout<Address>.size)
        try withUnsafePointer(to: &address) { pointer throws(CacheError) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer throws(CacheError) in
                try socket.connect(to: pointer, size: size, deadline: deadline)
            }
        }
    }

    private func dialTCP(
        _ host: String, _ port: Int, deadline: ContinuousClock.Instant
    ) throws(CacheError) -> Socket {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0, let first = list else { throw .redisResolver(status) }
        defer { freeaddrinfo(first) }
        var failure: CacheError?
        var next: UnsafeMutablePointer<addrinfo>? = first
        var left = sequence(first: first) { $0.pointee.ai_next }.reduce(0) { count, _ in count + 1 }
        while let entry = next {
            next = entry.pointee.ai_next
            // Each gets its share of the time: one that swallows packets must leave some to the others.
            let share = ContinuousClock.now.duration(to: deadline) / left
            left -= 1
            guard let address = entry.pointee.ai_addr else { continue }
            do throws(CacheError) {
                try check(address)
                let socket = try Socket(family: entry.pointee.ai_family)
                try socket.connect(to: address, size: entry.pointee.ai_addrlen, deadline: .now + share)
                return socket
            } catch {
                failure = error
            }
        }
        throw failure ?? .redisResolver(EAI_NONAME)
    }

    /// Checked after resolving, where a name can't hide what it points at.
    private func check(_ address: UnsafePointer<sockaddr>) throws(CacheError) {
        guard !allowsLinkLocal, Self.isLinkLocal(address) else { return }
        throw CacheError(
            .invalidConfiguration,
            "the Redis host is a link-local or metadata address; set allowsLinkLocal if that is meant")
    }

    /// 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291), the first also mapped into IPv6, and the metadata services that
    /// clouds put elsewhere: 100.100.100.200 and fd00:ec2::254.
    static func isLinkLocal(_ address: UnsafePointer<sockaddr>) -> Bool {
        switch CInt(address.pointee.sa_family) {
        case AF_INET:
            let bytes = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin_addr) { Array($0) }
            }
            return isLinkLocal(v4: bytes[...])
        case AF_INET6:
            let bytes = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin6_addr) { Array($0) }
            }
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            if bytes.starts(with: mapped) { return isLinkLocal(v4: bytes[12...]) }
            let metadata: [UInt8] = [0xFD, 0, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54]
            return bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 || bytes == metadata
        default: return false
        }
    }

    private static func isLinkLocal(v4 bytes: ArraySlice<UInt8>) -> Bool {
        bytes.starts(with: [169, 254]) || bytes.elementsEqual([100, 100, 100, 200])
    }
}
