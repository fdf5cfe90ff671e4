import Foundation
import Synchronization
import Testing

@testable import CacheKitCore

struct PrimitiveTests {
    @Test func `HKDF gives the output of RFC 5869, test cases 1 and 3`() throws {
        let key = [UInt8](repeating: 0x0b, count: 22)
        func derive(_ salt: String, _ info: String) throws -> String {
            let okm = try key.withUnsafeBytes {
                try HKDF.sha256(key: $0, salt: bytes(hex: salt), info: bytes(hex: info), count: 42)
            }
            return okm.withBytes { hex($0) }
        }
        #expect(
            try derive("000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9")
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        #expect(
            try derive("", "")
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }

    @Test func `HMAC gives the code of RFC 4231, test case 2, again and again`() throws {
        let key = try Array("Jefe".utf8).withUnsafeBytes { try SecretBytes(copying: $0) }
        let authenticator = try MessageAuthenticator(key)
        for _ in 0..<3 {
            #expect(
                hex(try authenticator.authenticate(Array("what do ya want for nothing?".utf8)))
                    == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        }
    }

    @Test func `HMAC hashes a key that is longer than a block first, as in RFC 4231, test case 6`() throws {
        let key = try [UInt8](repeating: 0xAA, count: 131).withUnsafeBytes { try SecretBytes(copying: $0) }
        let authenticator = try MessageAuthenticator(key)
        let text = "Test Using Larger Than Block-Size Key - Hash Key First"
        let code = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        #expect(hex(try authenticator.authenticate(text)) == code)
        #expect(hex(try authenticator.authenticate(Array(text.utf8))) == code)
    }

    @Test func `BLAKE2b gives the digest of RFC 7693, appendix A`() {
        #expect(
            hex(Blake2b.digest(Array("abc".utf8), byteCount: 64))
                == "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")
    }

    @Test func `a sealed value with any byte altered does not open`() throws {
        let keyring = try Keyring(current: try MasterKey.generate())
        let cipher = try TenantCipher(keyring: keyring, tenant: "default")
        let key = try CacheKey("users:42")
        let sealed = try cipher.seal(Array("document".utf8), key: key, compressed: true)
        #expect(try cipher.open(sealed, key: key, compressed: true) == Array("document".utf8))
        for index in sealed.indices {
            var altered = sealed
            altered[index] ^= 1
            #expect(throws: CacheError.self) { try cipher.open(altered, key: key, compressed: true) }
        }
        #expect(throws: CacheError.self) { try cipher.open(sealed, key: key, compressed: false) }
        #expect(throws: CacheError.self) { try cipher.open(sealed, key: CacheKey("users:43"), compressed: true) }
        #expect(throws: CacheError.self) { try cipher.open(Array(sealed.prefix(27)), key: key, compressed: true) }
    }

    @Test func `a previous key opens what it sealed, by trial and by fingerprint`() throws {
        let old = try MasterKey.generate()
        let new = try MasterKey.generate()
        let key = try CacheKey("k")
        let before = try TenantCipher(keyring: try Keyring(current: old), tenant: "t")
        let after = try TenantCipher(keyring: try Keyring(current: new, previous: [old]), tenant: "t")
        let sealed = try before.seal([1, 2, 3], key: key, compressed: false)
        #expect(try after.open(sealed, key: key, compressed: false) == [1, 2, 3])
        let fingerprint = before.currentFingerprint
        #expect(try after.open(sealed, key: key, compressed: false, fingerprint: fingerprint) == [1, 2, 3])
        #expect(throws: CacheError.self) {
            try after.open(sealed, key: key, compressed: false, fingerprint: after.currentFingerprint)
        }
    }

    @Test func `a keyring refuses its current key among the previous, and a fourth previous key`() throws {
        let keys = try (0..<5).map { _ in try MasterKey.generate() }
        #expect(throws: CacheError.self) { try Keyring(current: keys[0], previous: [keys[1], keys[0]]) }
        #expect(throws: CacheError.self) { try Keyring(current: keys[0], previous: Array(keys[1...4])) }
        #expect(try Keyring(current: keys[0], previous: Array(keys[1...3])).keys.count == 4)
    }

    @Test(arguments: [
        "", String(repeating: "a", count: 62), String(repeating: "a", count: 65),
        "0x" + String(repeating: "a", count: 64),
        "+" + String(repeating: "a", count: 65), "-" + String(repeating: "a", count: 65),
        String(repeating: "a", count: 64) + "\n", String(repeating: "g", count: 64),
    ])
    func `a malformed master key is refused without repeating it`(text: String) {
        let error = #expect(throws: CacheError.self) { try MasterKey(hex: text) }
        #expect(error?.code == .invalidMasterKey)
        #expect(text.count < 8 || error?.message.contains(text.prefix(8)) == false)
    }

    @Test func `nonces of many threads under one key never repeat`() throws {
        let sealer = try SealingKey(try SecretBytes.random(count: 32))
        let seen = Mutex<Set<[UInt8]>>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            let nonces = (0..<2000).compactMap { _ in
                (try? sealer.seal([1], associatedData: [])).map { Array($0.prefix(12)) }
            }
            seen.withLock { $0.formUnion(nonces) }
        }
        #expect(seen.withLock { $0.count } == 16_000)
    }

    @Test func `after one lap, and in another fork generation, a new prefix is drawn`() {
        var source = NonceSource(lapLength: 3)
        func prefix(_ generation: UInt64) -> [UInt8] {
            var nonce = [UInt8](repeating: 0, count: 12)
            let drawn = nonce.withUnsafeMutableBytes { source.next(into: $0.baseAddress!, generation: generation) }
            #expect(drawn)
            return Array(nonce.prefix(8))
        }
        let prefixes = [1, 1, 1, 1, 2].map { prefix($0) }
        #expect(prefixes[0] == prefixes[1] && prefixes[1] == prefixes[2])
        #expect(Set(prefixes).count == 3)
    }

    #if os(Linux)
        @Test func `a forked child is another generation`() throws {
            // Swift hides fork; the child only loads, compares and exits.
            typealias Fork = @convention(c) () -> pid_t
            let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
            let parent = ForkGeneration.current
            let child = fork()
            if child == 0 { _exit(ForkGeneration.current == parent ? 1 : 0) }
            var status: Int32 = -1
            #expect(waitpid(child, &status, 0) == child)
            #expect(status == 0)
            #expect(ForkGeneration.current == parent)
        }
    #endif
}
