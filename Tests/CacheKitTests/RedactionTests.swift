import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// Key names, tenants and values carry a marker; nothing that is said anywhere may show it.
struct RedactionTests {
    private let marker = "xyzzymarker"

    @Test(arguments: Setting.all)
    func `no error and no log line shows a key, a tenant or a value`(setting: Setting) async throws {
        let world = try await World(setting) {
            $0.tenant = "\(marker)-tenant"
            $0.maximumValueBytes = 200
        }
        let said = Said()
        let texts = world.namespace("\(marker)-names", of: String.self)
        let numbers = world.namespace("\(marker)-names", of: Int.self)
        let key = "\(marker)-key"
        @Sendable func attempt(_ body: () async throws -> Void) async {
            do { try await body() } catch { said.add(error) }
        }
        await attempt { try await texts.set(marker, for: key) }
        await attempt { _ = try await numbers.get(key) }
        await attempt { try await texts.set(String(repeating: marker, count: 100), for: key) }
        await attempt { try await texts.set(marker, for: marker + "\0") }
        await attempt { try await texts.set(marker, for: String(repeating: marker, count: 100)) }
        await attempt { try await texts.set(marker, for: key, ttl: .zero) }
        await attempt { _ = try await world.cache.namespace("ckv:\(marker)", of: Int.self).get(key) }
        await attempt { _ = try await world.namespace("\(marker)-names", of: Int.self, ttl: .seconds(1)).get(key) }
        if setting.hasRemote {
            world.remote.put(Array(marker.utf8), for: try CacheKey("raw:\(marker)"), expiresAt: nil)
        }
        await attempt { _ = try await world.cache.values(of: String.self).get("raw:\(marker)") }
        let rejected = CacheError(.remoteRejected, "another type")
        world.remote.refuse(try CacheKey("\(marker)-names:\(key)"), with: rejected)
        await attempt { try await texts.set(marker, for: key) }
        for _ in 0..<3 {
            let push = Task { await world.cache.push(deadline: .seconds(5)) }
            for _ in 0..<20 {
                for _ in 0..<50 { await Task.yield() }
                world.clock.advance(by: .milliseconds(500))
            }
            _ = await push.value
        }
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        world.local.setOutage(.diskFull, on: .writes)
        await attempt { _ = try await texts.getOrSet("\(marker)-new") { marker } }
        await attempt { try await texts.delete(key) }
        for warning in await world.cache.health().warnings { said.add(warning) }
        await world.cache.shutdown(deadline: .zero)
        await attempt { _ = try await texts.get(key) }
        #expect(said.count > 6)
        #expect(said.all(containing: marker).isEmpty)
        #expect(world.log.all.filter { $0.contains(marker) }.isEmpty)
    }

    /// Everything an error says, its causes included.
    private final class Said: Sendable {
        private let lines = Notes<String>()

        var count: Int { lines.all.count }
        func all(containing text: String) -> [String] { lines.all.filter { $0.contains(text) } }
        func add(_ line: String) { lines.add(line) }

        func add(_ error: any Error) {
            lines.add("\(error) \(String(reflecting: error))")
        }
    }
}
