import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKitSQLite

/// What a row says of the values that the remote may hold, also where keys collide.
@Suite struct BaseTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// The rule of docs/file-format.md for one key.
    private struct Model {
        var fingerprint: ValueFingerprint?
        var sequence: UInt64 = 0
        var isRemote = false
        var isSetAside = false
        var isSealedAnew = false
        var base: [ValueFingerprint] = []
        var exists = false

        func baseAfter(watermark: UInt64, sentThrough: UInt64) -> [ValueFingerprint] {
            guard exists else { return [] }
            let isSettled = isRemote || sequence <= watermark
            if isSettled && !isSetAside { return isSealedAnew ? base : fingerprint.map { [$0] } ?? [] }
            guard isSettled || sequence <= sentThrough else { return base }
            guard let first = base.first, first != fingerprint else { return fingerprint.map { [$0] } ?? base }
            return [first] + (fingerprint.map { [$0] } ?? [])
        }
    }

    @Test(arguments: [63, 2], 1...4)
    func `bases follow every way of settling and sending`(hashBits: Int, seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: MasterKey.generate(), previous: [fixture.masterKey])
        let cipher = try TenantCipher(keyring: both, tenant: "tenant-one")
        let store = try await fixture.open(keyring: both) { $0.hashBits = hashBits }
        var model: [String: Model] = [:]
        var met: Set<String> = []
        var (watermark, sent, last): (UInt64, UInt64, UInt64) = (0, 0, 0)
        for step in 0..<600 {
            let key = "key\(Int.random(in: 0..<10, using: &random))"
            var row = model[key] ?? Model()
            var change = try fixture.put(key, [UInt8](repeating: UInt8(step % 256), count: step))
            if Bool.random(using: &random) { change = try fixture.sealedPut(key, "text\(step)", old) }
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                if Int.random(in: 0..<5, using: &random) == 0 { change = try fixture.delete(key) }
                let base = row.baseAfter(watermark: watermark, sentThrough: sent)
                last = try await store.commit([change])[0].number
                row = Model(sequence: last, base: base, exists: true)
                row.fingerprint = try change.value.map { try ValueFingerprint(of: $0, form: change.form) }
            case 5:
                sent = max(sent, UInt64.random(in: 0...last, using: &random))
                try await store.beginSending(through: ChangeSequence(sent), fence: nil)
            case 6:
                watermark = max(watermark, UInt64.random(in: watermark...last, using: &random))
                var settlement = Settlement(through: ChangeSequence(watermark))
                if row.exists, !row.isRemote, row.sequence <= watermark, row.sequence > 0 {
                    settlement.parked.append(
                        ParkedChange(
                            sequence: ChangeSequence(row.sequence), key: try CacheKey(key), reason: .tooOld))
                    row.isSetAside = true
                }
                try await store.settle(settlement)
                sent = max(sent, watermark)
            case 7:
                let expected = row.exists ? ChangeSequence(row.sequence) : nil
                guard try await store.fill([RemoteFill(change: change, expected: expected)]) == [true] else { break }
                last += 1
                let fingerprint = try ValueFingerprint(of: change.value ?? [], form: change.form)
                row = Model(fingerprint: fingerprint, sequence: last, isRemote: true, base: [fingerprint], exists: true)
            case 8:
                let isChange = Bool.random(using: &random)
                let base = row.baseAfter(watermark: watermark, sentThrough: sent)
                let resolution = Resolution(
                    sequence: ChangeSequence(row.sequence), winner: change, loss: .foreign, isChange: isChange)
                guard try await store.resolve([resolution]) == [true] else { break }
                last += 1
                let fingerprint = try ValueFingerprint(of: change.value ?? [], form: change.form)
                row = Model(
                    fingerprint: fingerprint, sequence: last, isRemote: !isChange,
                    base: isChange ? base : [fingerprint], exists: true)
            default:
                let name = try CacheKey(key)
                let value = try cipher.seal(Array("anew".utf8), key: name, compressed: true)
                let resealed = ResealedValue(
                    key: name, value: value, fingerprint: cipher.currentFingerprint,
                    expected: ChangeSequence(row.sequence))
                guard try await store.reseal([resealed]) == [true] else { break }
                row.base = row.fingerprint.map { [$0] } ?? []
                row.isSealedAnew = true
                row.fingerprint = try ValueFingerprint(of: value, form: .sealed(cipher.currentFingerprint))
            }
            model[key] = row
            if row.isSealedAnew { met.insert("sealed anew") }
            if row.isSetAside { met.insert("set aside") }
            guard row.exists else { continue }
            let entry = try #require(try await store.read([CacheKey(key)])[0])
            #expect(entry.sequence.number == row.sequence, "step \(step), seed \(seed)")
            #expect(entry.base == row.base, "step \(step), seed \(seed)")
            met.insert("\(entry.base.count)")
        }
        #expect(met == ["0", "1", "2", "sealed anew", "set aside"], "seed \(seed)")
        let colliding = try queryInteger(fixture.path, "SELECT count(*) FROM overflow")
        #expect(hashBits == 63 || colliding > 3)
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `what was given up on is not taken for what the remote holds`() async throws {
        let store = try await fixture.open()
        let first = try await store.commit([fixture.put("k", [1])])[0]
        try await store.settle(Settlement(through: first))
        let second = try await store.commit([fixture.put("k", [2])])[0]
        let letter = DeadLetter(sequence: second, key: try CacheKey("k"), reason: CacheError(.remoteRejected, "no"))
        try await store.settle(Settlement(through: second, deadLetters: [letter]))
        try await store.commit([fixture.put("k", [3])])
        let base = try await store.read([CacheKey("k")])[0]?.base
        #expect(try base == [ValueFingerprint(of: [1], form: .plain), ValueFingerprint(of: [2], form: .plain)])
        await store.close()
    }

    @Test func `no fingerprint is in the file but under a seal`() async throws {
        let store = try await fixture.open()
        for number in 1...4 {
            let sequence = try await store.commit([fixture.put("k", [UInt8(number)])])[0]
            try await store.beginSending(through: sequence, fence: nil)
            if number == 1 { try await store.settle(Settlement(through: sequence)) }
        }
        let expected = try [1, 3].map { try ValueFingerprint(of: [$0], form: .plain) }
        #expect(try await store.read([CacheKey("k")])[0]?.base == expected)
        try await store.fill([RemoteFill(change: fixture.put("read", [9]), expected: nil)])
        let prints = try
            (expected + [ValueFingerprint(of: [4], form: .plain), ValueFingerprint(of: [9], form: .plain)])
            .map { Data($0.bytes) }
        for suffix in ["", "-wal"] {
            let content = try Data(contentsOf: URL(filePath: fixture.path + suffix))
            for print in prints { #expect(content.range(of: print) == nil, "\(suffix)") }
        }
        // Nor is there a column to put one into.
        try runSQL(fixture.path, "UPDATE entries SET base = zeroblob(32)")
        #expect(await code { _ = try await store.read([CacheKey("k")]) } == .tamperedStore)
        await store.close()
    }
}
