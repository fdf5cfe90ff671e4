import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

/// What a cache does about values under older keys.
struct ResealingTests {
    private let old: Keyring
    private let both: Keyring
    private let new: Keyring

    init() throws {
        old = try World.keyring.get()
        new = try Keyring(current: MasterKey.generate())
        both = try Keyring(current: new.current, previous: [old.current])
    }

    private func fingerprint(_ keyring: Keyring) throws -> KeyFingerprint {
        try TenantCipher(keyring: keyring, tenant: "default").currentFingerprint
    }

    private func fill(_ world: World, _ count: Int) async throws {
        let values = world.namespace("n", of: Int.self)
        for number in 0..<count { try await values.set(number, for: "k\(number)") }
        try await world.local.settle(Settlement(through: world.local.lastSequence()))
    }

    @Test(arguments: Setting.withLocal.filter(\.isSecure))
    func `values move under the current key and are read by who has only that`(setting: Setting) async throws {
        let world = try await World(setting)
        try await fill(world, 150)
        let rotating = try await World(setting, beside: world, keyring: both)
        var told: [ResealReport] = []
        let report = try await rotating.cache.reseal { told.append($0) }
        #expect(report.resealed == 150 && report.scanned == 150)
        #expect(told.count == 3 && told.last == report)
        #expect(try await rotating.cache.reseal().resealed == 0)
        let after = try await World(setting, beside: world, keyring: new)
        let values = after.namespace("n", of: Int.self)
        for number in 0..<150 { #expect(try await values.get("k\(number)") == number) }
    }

    @Test func `a plain cache has nothing to seal anew`() async throws {
        let world = try await World(Setting(hasLocal: true, isSecure: false))
        try await fill(world, 3)
        #expect(try await world.cache.reseal() == ResealReport())
    }

    @Test func `a value that no key of the ring opens is counted and left`() async throws {
        let world = try await World(.localOnly)
        try await fill(world, 5)
        let stranger = try await World(.localOnly, beside: world, keyring: new)
        let report = try await stranger.cache.reseal()
        #expect(report.unopened == 5 && report.resealed == 0)
        #expect(try await world.namespace("n", of: Int.self).get("k4") == 4)
    }

    @Test func `a cache that runs seals anew in the background, also what is settled later`() async throws {
        let world = try await World(.localOnly)
        try await fill(world, 100)
        try await world.namespace("n", of: Int.self).set(7, for: "late")
        let rotating = try await World(.localOnly, beside: world, keyring: both)
        let run = Task { await rotating.cache.run() }
        func rows(_ keyring: Keyring) async throws -> Int {
            try await world.local.statistics().rowsByFingerprint[fingerprint(keyring)] ?? 0
        }
        let isDone = await eventually {
            world.clock.advance(by: .milliseconds(10))
            return (try? await rows(both)) == 100
        }
        #expect(isDone)
        #expect(try await rows(old) == 1)
        try await world.local.settle(Settlement(through: world.local.lastSequence()))
        let isLateDone = await eventually {
            world.clock.advance(by: .seconds(60))
            return (try? await rows(both)) == 101
        }
        #expect(isLateDone)
        run.cancel()
        await run.value
    }

    @Test func `sealing anew stops when its task is cancelled, and what is done stays`() async throws {
        let world = try await World(.localOnly)
        try await fill(world, 200)
        let rotating = try await World(.localOnly, beside: world, keyring: both)
        let task = Task { () async -> CacheError.Code? in
            await code { try await rotating.cache.reseal { _ in withUnsafeCurrentTask { $0?.cancel() } } }
        }
        #expect(await task.value == .cancelled)
        #expect(try await world.local.statistics().rowsByFingerprint[fingerprint(both)] == 64)
        #expect(try await rotating.cache.reseal().resealed == 136)
    }

    @Test func `a process that is away from its key's time logs it, and goes on`() async throws {
        let world = try await World(.localOnly, keyring: both)
        world.local.setOutage(.error(CacheError(.wrongMasterKey, "superseded")), on: [.reads, .feed])
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.log.texts(.error).contains { $0.contains("re-sealing fails") } })
        world.local.setOutage(nil)
        run.cancel()
        await run.value
    }
}
