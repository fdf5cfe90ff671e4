internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A non-blocking stream socket; closed with its last reference.
final class Socket: ByteStream {
    let descriptor: CInt

    /// Makes a socket that is not connected yet and not inherited by child processes.
    init(family: CInt) throws(CacheError) {
        #if canImport(Glibc)
            let kind = CInt(SOCK_STREAM.rawValue)
        #else
            let kind = SOCK_STREAM
        #endif
        #if os(Linux)
            // In one step: a child forked between two calls would keep the connection open.
            descriptor = socket(family, kind | 0o4000 | 0o2000000, 0)  // SOCK_NONBLOCK | SOCK_CLOEXEC
            guard descriptor >= 0 else { throw .redisSocket("socket", errno: errno) }
        #else
            descriptor = socket(family, kind, 0)
            guard descriptor >= 0 else { throw .redisSocket("socket", errno: errno) }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            set(SOL_SOCKET, SO_NOSIGPIPE, 1)
        #endif
        if family != AF_UNIX {
            // Batches are ours to make; Nagle's algorithm would only delay them.
            set(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
            set(SOL_SOCKET, SO_KEEPALIVE, 1)
        }
    }

    deinit {
        close(descriptor)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamProgress {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .endOfStream }
            if errno != EINTR { return Self.progress(errno, "recv") }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> StreamProgress {
        #if os(Linux)
            let flags = CInt(MSG_NOSIGNAL)
        #else
            let flags: CInt = 0
        #endif
        while true {
            let count = send(descriptor, bytes.baseAddress, bytes.count, flags)
            if count >= 0 { return .bytes(count) }
            if errno != EINTR { return Self.progress(errno, "send") }
        }
    }

    func shutDown() {
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
    }

    /// Connects, waiting at most until the deadline. Blocks: for I/O threads only.
    func connect(
        to address: UnsafePointer<sockaddr>, size: socklen_t, deadline: ContinuousClock.Instant
    ) throws(CacheError) {
        #if canImport(Glibc)
            let status = Glibc.connect(descriptor, address, size)
        #elseif canImport(Musl)
            let status = Musl.connect(descriptor, address, size)
        #else
            let status = Darwin.connect(descriptor, address, size)
        #endif
        if status == 0 { return }
        guard errno == EINPROGRESS || errno == EINTR else { throw .redisSocket("connect", errno: errno) }
        guard Poll.wait(descriptor, for: .writing, until: deadline) else { throw .redisConnectTimeout() }
        var failure: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 else {
            throw .redisSocket("getsockopt", errno: errno)
        }
        guard failure == 0 else { throw .redisSocket("connect", errno: failure) }
    }

    private func set(_ level: CInt, _ option: CInt, _ value: CInt) {
        // These tune; a system that refuses one still has a working connection.
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    private static func progress(_ code: CInt, _ call: String) -> StreamProgress {
        code == EAGAIN || code == EWOULDBLOCK ? .wouldBlock : .failed(.redisSocket(call, errno: code))
    }
}
