internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What the thread of a ``FaultProxy`` does: accepts, and moves bytes whose time has come.
final class FaultProxyLoop: @unchecked Sendable {
    // Unchecked because it is handed to one thread, which alone uses it.
    private static let maximumLinks = 256
    /// How long the thread sleeps at most, so that it sees what was asked of the proxy.
    private static let turn: CInt = 10

    private let listener: CInt
    private let target: Int
    private let shared: FaultProxy.Shared
    private var links: [FaultProxyLink] = []
    private var cutRequests = 0

    init(listener: CInt, target: Int, shared: FaultProxy.Shared) {
        self.listener = listener
        self.target = target
        self.shared = shared
    }

    /// Until the proxy is stopped. Blocks.
    func run() {
        while true {
            let (isStopped, requests) = shared.state.withLock { ($0.isStopped, $0.cutRequests) }
            if isStopped { break }
            if requests != cutRequests {
                cutRequests = requests
                for link in links { link.cut() }
            }
            move()
        }
        for link in links { link.close() }
        close(listener)
    }

    private func move() {
        var entries = links.count < Self.maximumLinks ? [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)] : []
        let hasListener = !entries.isEmpty
        let now = ContinuousClock.now
        var timeout = Self.turn
        for link in links {
            entries += link.interests(now)
            if let due = link.nextDue, due > now {
                timeout = min(timeout, CInt(now.duration(to: due) / .milliseconds(1)) + 1)
            }
        }
        guard poll(&entries, nfds_t(entries.count), timeout) >= 0 else { return }
        for link in links { link.move(.now) }
        let ended = links.filter(\.isEnded)
        if !ended.isEmpty {
            // Counted before the client can see it.
            let cuts = ended.count { $0.wasCut }
            shared.state.withLock { state in
                state.cutCount += cuts
                state.endedCount += ended.count
            }
            for link in ended { link.close() }
            links.removeAll(where: \.isEnded)
        }
        if hasListener, entries[0].revents != 0 { acceptOne() }
    }

    private func acceptOne() {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        let (number, plan) = shared.state.withLock { state in
            defer { state.connectionCount += 1 }
            return (state.connectionCount, state.plan)
        }
        guard let server = RedisServer.loopbackSocket() else {
            close(client)
            return
        }
        // On loopback this is decided at once.
        guard RedisServer.withLoopbackAddress(port: target, { connect(server, $0, $1) == 0 }) else {
            close(server)
            close(client)
            return
        }
        links.append(FaultProxyLink(client: client, server: server, faults: plan(number)))
    }
}
