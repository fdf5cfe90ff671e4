import Testing

@testable import CacheKitCore

struct SealingTests {
    private static func key() throws -> SealingKey { try SealingKey(try SecretBytes.random(count: 32)) }

    @Test func `a sealed secret opens into memory of its own, and only with its associated data`() throws {
        let key = try Self.key()
        let secret = try SecretBytes.random(count: 32)
        let sealed = try key.seal(secret: secret, associatedData: [1, 2])
        #expect(sealed.count == 32 + SealingKey.overhead)
        #expect(try key.openSecret(sealed, associatedData: [1, 2]) == secret)
        let refusals: [(SealingKey, [UInt8], [UInt8])] = [
            (key, sealed, [1, 3]), (key, sealed, []), (try Self.key(), sealed, [1, 2]),
            (key, Array(sealed.dropLast()), [1, 2]), (key, sealed + [0], [1, 2]), (key, [], [1, 2]),
            (key, Array(sealed.prefix(27)), [1, 2]),
        ]
        for (key, sealed, associatedData) in refusals {
            let error = #expect(throws: CacheError.self) {
                try key.openSecret(sealed, associatedData: associatedData)
            }
            #expect(error?.code == .authenticationFailed)
        }
    }

    @Test func `an authentic secret without bytes is refused, not a crash`() throws {
        let key = try Self.key()
        let sealed = try key.seal([], associatedData: [])
        #expect(try key.open(sealed, associatedData: []) == [])
        #expect(throws: CacheError.self) { try key.openSecret(sealed, associatedData: []) }
    }

    @Test(arguments: [31, 33, 16, 1])
    func `a key of another length is refused`(count: Int) throws {
        let secret = try SecretBytes.random(count: count)
        let error = #expect(throws: CacheError.self) { try SealingKey(secret) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(arguments: [0, 1, 1024])
    func `a lent document equals the opened one, and its body's errors pass`(count: Int) throws {
        let cipher = try TenantCipher(keyring: try Keyring(current: try MasterKey.generate()), tenant: "default")
        let key = try CacheKey("k")
        let document = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let sealed = try cipher.seal(document, key: key, compressed: true)
        let lent = try sealed.withUnsafeBytes { sealed in
            try cipher.withOpened(sealed, key: key, compressed: true) { Array($0) }
        }
        #expect(lent == document)
        let error = #expect(throws: CacheError.self) {
            try sealed.withUnsafeBytes { sealed in
                try cipher.withOpened(sealed, key: key, compressed: true) { _ throws(CacheError) in
                    throw CacheError(.decoding, "body")
                }
            }
        }
        #expect(error?.code == .decoding)
    }

    @Test func `a document that does not authenticate is never lent`() throws {
        let cipher = try TenantCipher(keyring: try Keyring(current: try MasterKey.generate()), tenant: "default")
        let key = try CacheKey("k")
        let sealed = try cipher.seal([1, 2, 3], key: key, compressed: true)
        let attempts: [([UInt8], CacheKey, Bool)] = [
            (Array(sealed.dropLast()), key, true), (sealed, try CacheKey("l"), true), (sealed, key, false),
            ([UInt8](repeating: 0, count: 27), key, true), ([], key, true),
        ]
        for (sealed, key, compressed) in attempts {
            let error = #expect(throws: CacheError.self) {
                try sealed.withUnsafeBytes { sealed in
                    try cipher.withOpened(sealed, key: key, compressed: compressed) { _ in
                        Issue.record("the body was called")
                    }
                }
            }
            #expect(error?.code == .authenticationFailed)
        }
    }

    @Test(arguments: [(lap: UInt64(1), prefixes: 60), (lap: 7, prefixes: 9)])
    func `nonces of a short lap seal, open, never repeat, and draw a prefix per lap`(lap: UInt64, prefixes: Int) throws
    {
        let key = try Self.key()
        var source = NonceSource(lapLength: lap)
        var nonces: Set<[UInt8]> = []
        for number in 0..<60 {
            var nonce = [UInt8](repeating: 0, count: NonceSource.byteCount)
            let isDrawn = nonce.withUnsafeMutableBytes { $0.baseAddress.map { source.next(into: $0) } ?? false }
            #expect(isDrawn)
            nonces.insert(nonce)
            let plaintext = [UInt8](repeating: UInt8(number), count: number)
            var sealed = [UInt8](repeating: 0, count: number + SealingKey.overhead)
            let outcome = sealed.withUnsafeMutableBytes { sealed in
                plaintext.withUnsafeBytes { plaintext in
                    [].withUnsafeBytes { none in key.sealing(plaintext, none, sealed, nonce: nonce) }
                }
            }
            #expect(outcome == .success)
            #expect(Array(sealed.prefix(12)) == nonce)
            #expect(try key.open(sealed, associatedData: []) == plaintext)
        }
        #expect(nonces.count == 60)
        #expect(Set(nonces.map { Array($0.prefix(8)) }).count == prefixes)
    }

    @Test func `the counter of one lap goes up by one, over its wrap`() throws {
        var source = NonceSource()
        func counter() -> UInt32 {
            var nonce = [UInt8](repeating: 0, count: NonceSource.byteCount)
            _ = nonce.withUnsafeMutableBytes { $0.baseAddress.map { source.next(into: $0) } }
            return nonce.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
        let counters = (0..<100).map { _ in counter() }
        #expect(zip(counters, counters.dropFirst()).allSatisfy { $1 == $0 &+ 1 })
    }

    @Test func `tenants and domains outside their lengths are refused, and their borders are not`() throws {
        let master = try MasterKey.generate()
        for tenant in ["", String(repeating: "t", count: 1025), String(repeating: "é", count: 513)] {
            let error = #expect(throws: CacheError.self) { try master.derive(domain: "encryption", tenant: tenant) }
            #expect(error?.code == .invalidArgument)
        }
        for domain in ["", String(repeating: "d", count: 256)] {
            let error = #expect(throws: CacheError.self) { try master.derive(domain: domain, tenant: "default") }
            #expect(error?.code == .invalidArgument)
        }
        let border = try master.derive(
            domain: String(repeating: "d", count: 255), tenant: String(repeating: "t", count: 1024))
        #expect(border.count == 32)
    }

    @Test func `a raw master key has exactly 32 bytes`() throws {
        for count in [0, 31, 33, 64] {
            let error = #expect(throws: CacheError.self) { try MasterKey(bytes: [UInt8](repeating: 7, count: count)) }
            #expect(error?.code == .invalidMasterKey)
        }
        #expect(
            try MasterKey(bytes: [UInt8](repeating: 7, count: 32))
                == MasterKey(hex: String(repeating: "07", count: 32)))
    }
}
