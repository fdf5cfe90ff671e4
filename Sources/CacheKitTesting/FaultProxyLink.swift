#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// One connection of a ``FaultProxy``: both its sockets, and what is on its way in each direction.
final class FaultProxyLink {
    /// How long the server may take to do what it was given and close, once the client's end was decided.
    private static let patience = Duration.seconds(5)

    private let client: CInt
    private let server: CInt
    private var requests: FaultProxyFlow
    private var replies: FaultProxyFlow
    /// Since the end was decided: nothing more goes on, and the server is given time to close.
    private var endsAt: ContinuousClock.Instant?
    private(set) var isEnded = false
    private(set) var wasCut = false

    init(client: CInt, server: CInt, faults: [Fault]) {
        self.client = client
        self.server = server
        Self.prepare(client)
        Self.prepare(server)
        requests = FaultProxyFlow(from: client, to: server, .requests, faults)
        replies = FaultProxyFlow(from: server, to: client, .replies, faults)
    }

    /// Makes a descriptor non-blocking and not inherited by children.
    static func prepare(_ descriptor: CInt) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var on: CInt = 1
        _ = setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// What to wait for.
    func interests(_ now: ContinuousClock.Instant) -> [pollfd] {
        // A socket that is ended and not closed would wake the thread again and again.
        if endsAt != nil { return [pollfd(fd: server, events: Int16(POLLIN), revents: 0)] }
        func entry(_ descriptor: CInt, _ incoming: FaultProxyFlow, _ outgoing: FaultProxyFlow) -> pollfd? {
            let events = (incoming.hasRoom ? POLLIN : 0) | (outgoing.isDue(now) ? POLLOUT : 0)
            return events == 0 ? nil : pollfd(fd: descriptor, events: Int16(events), revents: 0)
        }
        return [entry(client, requests, replies), entry(server, replies, requests)].compactMap { $0 }
    }

    /// When delayed bytes are next due.
    var nextDue: ContinuousClock.Instant? {
        guard endsAt == nil else { return nil }
        return [requests.nextDue, replies.nextDue].compactMap { $0 }.min()
    }

    /// Moves what can be moved.
    func move(_ now: ContinuousClock.Instant) {
        if endsAt == nil {
            let outcomes = [requests.move(now), replies.move(now)]
            if outcomes.contains(.cut) {
                cut()
            } else if outcomes.contains(.closed) {
                end()
            }
        }
        guard let endsAt else { return }
        // Everything it was given is done once the server closes.
        if FaultProxyFlow.discard(server) || now > endsAt { isEnded = true }
    }

    /// Ends the connection as a fault.
    func cut() {
        guard endsAt == nil else { return }
        wasCut = true
        end()
    }

    private func end() {
        endsAt = .now + Self.patience
        _ = shutdown(server, CInt(SHUT_WR))
    }

    /// Closes both sockets; nothing may be asked of it after that.
    func close() {
        #if canImport(Glibc)
            _ = (Glibc.close(client), Glibc.close(server))
        #elseif canImport(Musl)
            _ = (Musl.close(client), Musl.close(server))
        #else
            _ = (Darwin.close(client), Darwin.close(server))
        #endif
    }
}
