import Synchronization

/// A sentinel that names the ports that a test says, in turn and the last one for ever, and announces nothing.
final class ScriptedSentinel: Sendable {
    private let server: ScriptedServer
    private let named: Named

    private final class Named: Sendable {
        let state: Mutex<(ports: [Int], epoch: Int)>

        init(_ ports: [Int], _ epoch: Int) { state = Mutex((ports, epoch)) }

        var next: Int {
            state.withLock { $0.ports.count > 1 ? $0.ports.removeFirst() : $0.ports[0] }
        }
    }

    init(master ports: Int..., epoch: Int = 1) throws {
        let named = Named(ports, epoch)
        self.named = named
        server = try ScriptedServer { peer in
            while let command = peer.command() {
                switch command.prefix(2) {
                case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME"]:
                    let port = "\(named.next)"
                    peer.send("*2\r\n$9\r\n127.0.0.1\r\n$\(port.count)\r\n\(port)\r\n")
                case ["SENTINEL", "MASTER"]:
                    let epoch = "\(named.state.withLock { $0.epoch })"
                    peer.send("*2\r\n$12\r\nconfig-epoch\r\n$\(epoch.count)\r\n\(epoch)\r\n")
                case ["SENTINEL", "SENTINELS"]: peer.send("*0\r\n")
                case ["PING"]: peer.send("+PONG\r\n")
                default: peer.send("+OK\r\n")
                }
            }
        }
    }

    var port: Int { server.port }
    /// The first word of everything that it was sent.
    var commands: [String] { server.commands }

    func name(master ports: Int..., epoch: Int = 1) { named.state.withLock { $0 = (ports, epoch) } }
    func stop() { server.stop() }
}
