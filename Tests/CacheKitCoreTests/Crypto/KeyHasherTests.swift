import CacheKitCore
import Testing

struct KeyHasherTests {
    private let master = Result { try MasterKey(bytes: [UInt8](repeating: 7, count: 32)) }

    @Test func `a hash is the beginning of an HMAC under a key of its own`() throws {
        let hasher = try KeyHasher(master: master.get(), tenant: "acme")
        // From Python's hmac and hashlib, by the formulas of docs/file-format.md.
        #expect(try hasher.hash(CacheKey("users:42")) == "#53d40ff82021")
        #expect(try hasher.hash(CacheKey("users:43")) == "#d9a55b821808")
    }

    @Test func `another tenant, another master key and no master key at all have other hashes`() throws {
        let key = try CacheKey("users:42")
        let hashers = [
            try KeyHasher(master: master.get(), tenant: "acme"), try KeyHasher(master: master.get(), tenant: "acme2"),
            try KeyHasher(master: MasterKey.generate(), tenant: "acme"), try KeyHasher(), try KeyHasher(),
        ]
        #expect(Set(hashers.map { $0.hash(key) }).count == hashers.count)
        for hasher in hashers { #expect(hasher.hash(key) == hasher.hash(key) && hasher.hash(key).count == 13) }
    }

    @Test func `a hasher shows nothing of its key`() throws {
        let hasher = try KeyHasher(master: master.get(), tenant: "acme")
        var dumped = ""
        dump(hasher, to: &dumped)
        #expect("\(hasher)" == "KeyHasher(redacted)" && !dumped.contains("authenticator"))
    }
}
