import Testing

@testable import CacheKitCore

@Suite(.enabled(if: SharedVectors.interop != nil, "the shared folder with the vectors is absent"))
struct SealingVectorTests {
    @Test func `associated data equals the published bytes`() throws {
        let vectors = SharedVectors.list(SharedVectors.interop, "aad_vectors")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let data = AssociatedData.v3(
                tenant: try #require(vector["tenant_id"] as? String),
                key: try CacheKey(try #require(vector["cache_key"] as? String)),
                compressed: try #require(vector["compressed"] as? Bool))
            #expect(hex(data) == vector["aad_hex"] as? String)
        }
    }

    @Test func `the published ciphertext opens, and sealing with its nonce gives it again`() throws {
        let vectors = SharedVectors.list(SharedVectors.interop, "encryption_vectors")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let text = { (name: String) throws -> String in try #require(vector[name] as? String) }
            let master = try MasterKey(hex: try text("master_key_hex"))
            let tenant = try text("tenant_id")
            let key = try CacheKey(try text("cache_key"))
            let compressed = try #require(vector["compressed"] as? Bool)
            let cipher = try TenantCipher(keyring: try Keyring(current: master), tenant: tenant)
            let plaintext = bytes(hex: try text("plaintext_hex"))
            let sealed = bytes(hex: try text("ciphertext_hex"))
            #expect(cipher.currentFingerprint.description == (try text("derived_key_fingerprint_hex")))
            #expect(try cipher.open(sealed, key: key, compressed: compressed) == plaintext)

            let sealer = try SealingKey(try master.derive(domain: "encryption", tenant: tenant))
            let associatedData = AssociatedData.v3(tenant: tenant, key: key, compressed: compressed)
            var output = [UInt8](repeating: 0, count: plaintext.count + SealingKey.overhead)
            let outcome = output.withUnsafeMutableBytes { output in
                plaintext.withUnsafeBytes { plaintext in
                    associatedData.withUnsafeBytes { associatedData in
                        sealer.sealing(plaintext, associatedData, output, nonce: Array(sealed.prefix(12)))
                    }
                }
            }
            #expect(outcome == .success)
            #expect(output == sealed)
        }
    }
}
