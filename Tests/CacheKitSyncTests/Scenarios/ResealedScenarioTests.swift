import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// Values that a key rotation seals anew, before and after they were pushed.
struct ResealedScenarioTests {
    private let scene = Scene()
    private let older = KeyFingerprint(high: 1, low: 1)
    private let newer = KeyFingerprint(high: 2, low: 2)

    /// A document as a key seals it: the tag lies at its end.
    private func sealed(_ document: UInt8, tag: UInt8) -> [UInt8] {
        [document] + [UInt8](repeating: tag, count: 16)
    }

    private func reseal(_ node: Node, tag: UInt8) async throws -> Bool {
        let key = try CacheKey("k")
        let row = try #require(node.local.file.rows[key])
        let value = ResealedValue(
            key: key, value: sealed(row.value?.first ?? 0, tag: tag), fingerprint: newer, expected: row.sequence)
        return try await node.local.reseal([value]) == [true]
    }

    @Test func `a change that waits is not sealed anew under way`() async throws {
        let node = scene.node(1)
        try await node.put("k", sealed(1, tag: 1), form: .sealed(older))
        #expect(try await !reseal(node, tag: 2))
        await node.push()
        #expect(try scene.value("k") == sealed(1, tag: 1))
        #expect(try await reseal(node, tag: 2))
    }

    @Test func `a value sealed anew and sent again is the same change, no clash`() async throws {
        let node = scene.node(1)
        try await node.put("k", sealed(1, tag: 1), form: .sealed(older))
        await node.push()
        #expect(try await reseal(node, tag: 2))
        // Only the mark is gone: the record is there.
        let bucket = scene.remote.bucket(of: try CacheKey("k"))
        scene.remote.held.buckets[bucket]?.marks = [:]
        node.engine.suspectLoss()
        await node.push()
        #expect(node.outcomes.resent == 1)
        #expect(node.local.file.node == 1)
        #expect(try scene.value("k") == sealed(1, tag: 1))
        #expect(try await node.engine.status().lostBuckets == 0)
        // By the verdict itself, not because it does not matter.
        let row = try #require(node.local.file.rows[try CacheKey("k")])
        let write = VersionedWrite(
            key: try CacheKey("k"), action: .put(row.value ?? [], timeToLive: .seconds(1)), version: row.version,
            fingerprint: try ValueFingerprint(of: row.value ?? [], form: row.form), base: row.base, isLate: true,
            isTooOld: false, acceptsAbsence: true, isResend: false, recordExpiresAt: row.expiresAt)
        let push = BucketPush(
            bucket: bucket, writes: [write], node: 1, expectedMark: 0, mark: 1, recordsMayBeLost: false,
            now: scene.time.now())
        guard case .weighed(_, let verdicts) = try await scene.remote.push([push]).first, case .already = verdicts.first
        else {
            Issue.record("not the same change")
            return
        }
    }

    @Test func `after a flush the value arrives as it is sealed now`() async throws {
        let node = scene.node(1)
        try await node.put("k", sealed(1, tag: 1), form: .sealed(older))
        await node.push()
        #expect(try await reseal(node, tag: 2))
        scene.remote.held = VersionedCells()
        node.engine.suspectLoss()
        await node.push()
        #expect(try scene.value("k") == sealed(1, tag: 2))
    }

    @Test(arguments: [false, true])
    func `a late write over a value that was sealed anew is not mistaken for a conflict`(hasRecord: Bool) async throws {
        let node = scene.node(1)
        try await node.put("k", sealed(1, tag: 1), form: .sealed(older))
        await node.push()
        #expect(try await reseal(node, tag: 2))
        let bucket = scene.remote.bucket(of: try CacheKey("k"))
        if !hasRecord { scene.remote.held.buckets[bucket]?.records = [:] }
        try await node.put("k", sealed(2, tag: 3), form: .sealed(newer))
        scene.pass(.seconds(30))
        await node.push()
        #expect(try scene.value("k") == sealed(2, tag: 3))
        #expect(node.outcomes.foreign == 0)
    }

    @Test func `nor is one over a value that was read from the remote and sealed anew`() async throws {
        let node = scene.node(1)
        try scene.writeForeign("k", sealed(1, tag: 1))
        let change = LocalChange(
            key: try CacheKey("k"), value: sealed(1, tag: 1), form: .sealed(older), mode: .native,
            expiresAt: scene.time.now().advanced(by: .seconds(600)))
        #expect(try await node.local.fill([RemoteFill(change: change, expected: nil)]) == [true])
        #expect(try await reseal(node, tag: 2))
        try await node.put("k", sealed(2, tag: 3), form: .sealed(newer))
        scene.pass(.seconds(30))
        await node.push()
        #expect(try scene.value("k") == sealed(2, tag: 3))
        #expect(node.outcomes.foreign == 0)
    }
}
