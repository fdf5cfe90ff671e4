import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

extension ClusterTests {
    private func push(_ store: RedisStore, _ writes: [VersionedWrite], mark: UInt64 = 1) -> [BucketPush] {
        Dictionary(grouping: writes) { store.bucket(of: $0.key) }.sorted { $0.key < $1.key }.map { bucket, writes in
            BucketPush(
                bucket: bucket, writes: writes, node: 7, expectedMark: 0, mark: mark, recordsMayBeLost: false,
                now: Timestamp(milliseconds: VersionedWorld.now))
        }
    }

    @Test func `pushes go to the masters of their slots, and each learns the script by itself`() async throws {
        let store = try makeStore(cluster.url) { $0.readsFromReplicas = true }
        for master in cluster.masters { _ = master.command("SCRIPT", "FLUSH") }
        let keys = try (0..<300).map { try CacheKey("versions:\($0)") }
        for round in 1...2 as ClosedRange<UInt64> {
            let writes = try keys.map { try VersionedWrite.put($0, sealed(UInt8(round)), at: round) }
            let pushes = push(store, writes, mark: round)
            let answers = try await store.push(pushes)
            #expect(answers.count == pushes.count)
            #expect(answers.allSatisfy { Set(Pushed($0).verdicts) == ["applied"] })
            let views = try await store.inspect(keys)
            #expect(views.map(\.entry?.value) == keys.map { _ in sealed(UInt8(round)) })
            #expect(views.map(\.record) == writes.map(\.record))
            #expect(try await store.marks(of: 7, in: pushes.map(\.bucket)).allSatisfy { try $0.get() == round })
            for master in cluster.masters { _ = master.command("SCRIPT", "FLUSH") }
        }
        let survey = try await store.survey()
        #expect(survey.evictsRecords == false && survey.time > Timestamp(milliseconds: 1_700_000_000_000))
        let note = ConnectionNote(bytes: try await store.fence(nil))
        #expect(note.connections.count == cluster.masters.count)
        let sweep = try await store.sweep(
            bucket: store.bucket(of: keys[0]), from: 0, endedBefore: Timestamp(milliseconds: .max))
        #expect(sweep == SweepStep(next: 0, removed: 1))
    }

    @Test func `the worst of what the masters say of eviction counts`() async throws {
        let store = try makeStore(cluster.url)
        _ = cluster.masters[1].command("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru")
        // Each is asked every time.
        for _ in 0..<5 { #expect(try await store.survey().evictsRecords == true) }
        // One that is silent holds up nobody for long, and what it said before stands.
        cluster.masters[1].pause()
        let start = ContinuousClock.now
        #expect(try await store.survey().evictsRecords == true)
        #expect(ContinuousClock.now - start < .seconds(2))
        cluster.masters[1].resume()
        _ = cluster.masters[1].command("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
        #expect(await eventually { (try? await store.survey().evictsRecords) == false })
    }

    @Test func `where one master has no memory left all keys are read, and the others serve as they did`() async throws
    {
        let store = try makeStore(cluster.url) { $0.readsFromReplicas = false }
        let keys = try (0..<300).map { try CacheKey("full:\($0)") }
        _ = try await store.push(push(store, try keys.map { try .put($0, sealed(1), at: 1) }))
        let full = cluster.masters[1]
        for master in cluster.masters { _ = master.command("CONFIG", "RESETSTAT") }
        _ = full.command("CONFIG", "SET", "maxmemory", "1")
        defer { _ = full.command("CONFIG", "SET", "maxmemory", "0") }
        #expect(try await store.read(keys).allSatisfy { $0?.value == sealed(1) })
        #expect(try await store.inspect(keys).allSatisfy { $0.entry?.value == sealed(1) && $0.record != nil })
        for master in cluster.masters {
            let stats = ServerFields(Array(try #require(master.command("INFO", "commandstats")?.text).utf8))
            #expect((stats["cmdstat_eval"] != nil) == (master === full))
        }
        let results = try await store.write(try keys.map { try put($0.string, [2]) })
        for (key, result) in zip(keys, results) {
            let isFull = cluster.slots(ofMaster: 1).contains(HashSlot(of: key.string).number)
            switch result {
            case .applied, .missing: #expect(!isFull)
            case .failed(let error): #expect(isFull && error.code == .remoteNotReady)
            }
        }
    }

    @Test func `pushes follow a slot on its way, and a master that never heard of the script`() async throws {
        let store = try makeStore(cluster.url)
        let admin = try ClusterOperator(cluster)
        let tag = cluster.tag(ofMaster: 0, "pushed")
        let slot = HashSlot(of: tag).number
        let keys = try (0..<20).map { try CacheKey("{\(tag)}\($0)") }
        let bucket = Buckets(hasOneServer: false).name(slot)
        _ = try await store.push(push(store, try keys.map { try .put($0, sealed(1), at: 1) }))
        try await admin.begin(slot, from: 0, to: 1)
        for name in keys[..<10].map(\.string) + [bucket] { try await admin.move(name, from: 0, to: 1) }
        _ = cluster.masters[1].command("SCRIPT", "FLUSH")
        let before = store.clusterCounts

        // All of it has moved: ASK leads there, with the hash first and then with the script.
        let moved = try await store.push(push(store, try keys[..<10].map { try .put($0, sealed(2), at: 2) }, mark: 2))
        #expect(moved.map { Pushed($0) } == [Pushed(mark: 1, Array(repeating: "applied", count: 10))])
        #expect(store.clusterCounts.asked > before.asked)
        // Some of it has: it waits until it is together, and is weighed once.
        async let both = store.push(push(store, try keys.map { try .put($0, sealed(3), at: 3) }, mark: 3))
        #expect(await eventually { store.clusterCounts.triedAgain > before.triedAgain })
        _ = try await admin.moveKeys(of: slot, from: 0, to: 1)
        #expect(try await both.map { Pushed($0) } == [Pushed(mark: 2, Array(repeating: "applied", count: 20))])
        try await admin.end(slot, from: 0, to: 1)
        let after = try await store.push(push(store, try keys.map { try .put($0, sealed(4), at: 4) }, mark: 4))
        #expect(after.map { Pushed($0) } == [Pushed(mark: 3, Array(repeating: "applied", count: 20))])
        #expect(
            try await store.inspect(keys).allSatisfy { $0.record?.version.stamp == 4 && $0.entry?.value == sealed(4) })
        #expect(store.clusterCounts.moved > before.moved)
    }
}

extension ClusterTests {
    @Test func `keys are listed of every master`() async throws {
        let store = try makeStore(cluster.url)
        let names = (0..<600).map { "listed:\($0)" }
        _ = try await store.write(try names.map { try put($0, [1]) })
        let (keys, steps) = try await store.allKeys("listed:")
        #expect(keys.sorted() == names.sorted() && steps >= cluster.masters.count)
    }
}
