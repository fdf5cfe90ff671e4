import CacheKitCore
import Foundation
import Synchronization

@testable import CacheKitRedis

/// Subscribes to every sentinel of a set and notes when a switch of the master was first announced.
final class SwitchWitness: Sendable {
    private let state = Mutex(State())

    private struct State {
        var subscribedCount = 0
        var announced: [ContinuousClock.Instant] = []
        var isStopped = false
    }

    /// How many sentinels are listened to.
    var subscribedCount: Int { state.withLock { $0.subscribedCount } }
    /// When it was first announced.
    var firstAnnounced: ContinuousClock.Instant? { state.withLock { $0.announced.min() } }

    init(ports: [Int], master: String, password: String) {
        for port in ports {
            Thread.detachNewThread { [self] in
                do throws(CacheError) {
                    try listen(port, master, password)
                } catch {
                    // The sentinel has ended: a test that needs it fails for want of an announcement.
                }
            }
        }
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func listen(_ port: Int, _ master: String, _ password: String) throws(CacheError) {
        let dialer = Dialer(endpoint: .tcp(host: "127.0.0.1", port: port), allowsLinkLocal: false)
        let login = Login(credentials: RedisCredentials(password: password), clientName: "witness")
        let opened = try dialer.open(
            at: dialer.endpoint, login, valueBytes: 1 << 16, deadline: .now + .seconds(10))
        var writer = RESPWriter()
        writer.command("SUBSCRIBE", "+switch-master")
        _ = try opened.exchange.ask(writer, deadline: .now + .seconds(10))
        state.withLock { $0.subscribedCount += 1 }
        while !state.withLock({ $0.isStopped }) {
            while let message = try opened.reader.next() {
                guard case .switched? = SentinelReplies.event(message, about: master) else { continue }
                state.withLock { $0.announced.append(.now) }
            }
            if Poll.wait(opened.stream.descriptor, for: .reading, until: .now + .milliseconds(50)) {
                try opened.exchange.receive()
            }
        }
    }
}
