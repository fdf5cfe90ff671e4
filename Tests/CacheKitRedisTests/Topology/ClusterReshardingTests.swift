import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

extension ClusterTests {
    @Test func `a slot that is on its way is read and written at both ends`() async throws {
        let store = try makeStore(cluster.url)
        let admin = try ClusterOperator(cluster)
        let tag = cluster.tag(ofMaster: 0, "way")
        let slot = HashSlot(of: tag).number
        let names = (0..<100).map { "{\(tag)}\($0)" }
        let keys = try names.map { try CacheKey($0) }
        _ = try await store.write(try names.map { try put($0, Array($0.utf8)) })
        try await admin.begin(slot, from: 0, to: 1)
        for name in names[..<50] { try await admin.move(name, from: 0, to: 1) }

        // Units of 32 keys lie at both ends: each key is asked for where it is.
        #expect(try await store.read(keys).map { $0?.value } == names.map { Array($0.utf8) })
        let absent = try CacheKey("{\(tag)}absent")
        #expect(try await store.read([absent, keys[0], keys[99]]).map { $0?.value.isEmpty } == [nil, false, false])
        #expect(try await store.contains([absent, keys[0], keys[99]]) == [false, true, true])
        #expect(store.clusterCounts.asked > 0)
        for result in try await store.write(try ["{\(tag)}new", names[0], names[99]].map { try put($0, [9]) }) {
            guard case .applied = result else { throw CacheError(.internalFault, "not applied") }
        }
        #expect(try await store.read([keys[0], keys[99]]).map { $0?.value } == [[9], [9]])
        #expect(store.clusterCounts.moved == 0)

        // A script on keys at both ends has to wait until they are together.
        let script = "return redis.call('EXISTS', KEYS[1], KEYS[2])"
        async let both = store.command(words("EVAL", script, "2", names[10], names[90]), for: names[10])
        #expect(await eventually { store.clusterCounts.triedAgain > 0 })
        _ = try await admin.moveKeys(of: slot, from: 0, to: 1)
        #expect(try await both == .integer(2))

        try await admin.end(slot, from: 0, to: 1)
        #expect(try await store.contains(keys).allSatisfy { $0 })
        #expect(store.clusterCounts.moved > 0)
    }

    @Test func `a slot of two thousand keys moves under load`() async throws {
        let store = try makeStore(cluster.url)
        let admin = try ClusterOperator(cluster)
        let tag = cluster.tag(ofMaster: 0, "live")
        let slot = HashSlot(of: tag).number
        let count = TestEffort.count(short: 2000, long: 50_000)
        _ = try await store.write(try (0..<count).map { try put("{\(tag)}\($0)", [1], .seconds(600)) })
        // Some of the keys that move, some that stay, and some that come to be meanwhile.
        let names =
            (0..<300).map { "{\(tag)}\($0)" } + (0..<300).map { "stays\($0)" } + (0..<100).map { "{\(tag)}new\($0)" }
        let load = try CountingLoad(store, keys: names)
        // Their first values are not of the load's form.
        _ = try await store.write(load.keys.map { RemoteWrite(key: $0, action: .delete) })
        var moved = 0
        try await load.run(writers: 4, readers: 4) {
            try await admin.begin(slot, from: 0, to: 1)
            moved = try await admin.moveKeys(of: slot, from: 0, to: 1)
            try await admin.end(slot, from: 0, to: 1)
        }
        let findings = load.findings
        #expect(findings.wrong == 0 && findings.lost == 0 && findings.failures.isEmpty, "\(findings)")
        #expect(moved >= count - 300 && findings.writes > 500 && findings.reads > 500, "\(moved) \(findings)")
        #expect(store.clusterCounts.asked > 0 && store.clusterCounts.moved > 0, "\(store.clusterCounts)")
    }

    @Test func `hundreds of slots move under load`() async throws {
        let store = try makeStore(cluster.url)
        let admin = try ClusterOperator(cluster)
        let slots = cluster.slots(ofMaster: 2).prefix(TestEffort.count(short: 150, long: 3000))
        let names = (0...).lazy.map { "slots\($0)" }.filter { slots.contains(HashSlot(of: $0).number) }.prefix(600)
        let load = try CountingLoad(store, keys: Array(names))
        try await load.run(writers: 3, readers: 3) {
            for slot in slots {
                try await admin.begin(slot, from: 2, to: 0)
                _ = try await admin.moveKeys(of: slot, from: 2, to: 0)
                try await admin.end(slot, from: 2, to: 0)
            }
        }
        let findings = load.findings
        #expect(findings.wrong == 0 && findings.lost == 0 && findings.failures.isEmpty, "\(findings)")
        #expect(findings.writes > 100 && findings.reads > 100)
        #expect(store.clusterCounts.moved > 0)
        // What was learned one by one is known as a whole before long, and nobody is sent on any more.
        try await load.run(writers: 1, readers: 1) { try await Task.sleep(for: .milliseconds(1)) }
        let known = await eventually {
            let before = store.clusterCounts.moved
            _ = try? await store.read(load.keys)
            return store.clusterCounts.moved == before
        }
        #expect(known)
    }
}
