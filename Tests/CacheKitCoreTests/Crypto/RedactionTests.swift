import Testing

@testable import CacheKitCore

/// Nothing that prints, interpolates, reflects or dumps a key shows a byte of it.
struct RedactionTests {
    private static let digits = String(repeating: "c5f3", count: 16)
    // What the bytes look like in hex, in decimal as `dump` prints them, and in the wrong case.
    private static let traces = ["c5f3", "C5F3", "197", "243", "c5, f3"]

    // Neither local nor private: the name of such a type has an address in it, whose digits may be one of the traces.
    struct Configuration {
        var ring: Keyring
        var keys: [MasterKey]
        var secret: SecretBytes?
    }

    private static func everyRendering(of value: some Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        let children = Mirror(reflecting: value).children.map { "\($0.label ?? ""): \($0.value)" }
        return ["\(value)", String(describing: value), String(reflecting: value), dumped] + children
    }

    private static func expectNoTrace(in value: some Any, sourceLocation: SourceLocation = #_sourceLocation) {
        for rendering in everyRendering(of: value) {
            for trace in traces {
                #expect(!rendering.contains(trace), "\(type(of: value))", sourceLocation: sourceLocation)
            }
        }
    }

    @Test func `secrets, keys, keyrings, ciphers and what holds them show no key`() throws {
        let master = try MasterKey(hex: Self.digits)
        let secret = try bytes(hex: Self.digits).withUnsafeBytes { try SecretBytes(copying: $0) }
        let ring = try Keyring(current: try MasterKey.generate(), previous: [master])
        Self.expectNoTrace(in: secret)
        Self.expectNoTrace(in: master)
        Self.expectNoTrace(in: ring)
        Self.expectNoTrace(in: Configuration(ring: ring, keys: [master], secret: secret))
        #expect("\(secret)" == "SecretBytes(32 bytes)")
        #expect("\(master)" == "MasterKey(redacted)")
        #expect("\(ring)" == "Keyring(current, 1 previous)")
        #expect(Mirror(reflecting: master).children.isEmpty)
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func `a sealing key shows its fingerprint only`() throws {
        let secret = try bytes(hex: Self.digits).withUnsafeBytes { try SecretBytes(copying: $0) }
        let key = try SealingKey(secret)
        #expect(Self.everyRendering(of: key).allSatisfy { $0.contains(key.fingerprint.description) })
        #expect(Mirror(reflecting: key).children.isEmpty)
        #expect("\(key)" == "SealingKey(\(key.fingerprint))")
    }

    @Test func `a cache key shows its length only`() throws {
        let key = try CacheKey("users:alice@example.org")
        #expect("\(key)" == "CacheKey(23 bytes)")
        #expect(String(reflecting: key) == "CacheKey(23 bytes)")
        #expect("\([key])" == "[CacheKey(23 bytes)]")
    }

    @Test func `an error prints code and message on one line, and where it was made when debugged`() {
        struct Underneath: Error {}
        let error = CacheError(
            .diskFull, "no space is left; free some", cause: Underneath(), file: "M/F.swift", line: 7)
        #expect("\(error)" == "diskFull: no space is left; free some")
        #expect(String(reflecting: error).contains("M/F.swift:7"))
        #expect(String(reflecting: error).contains("Underneath"))
        #expect(!String(reflecting: error).contains("\n"))
    }

    @Test func `what does not authenticate is refused without key, tenant, name or bytes`() throws {
        let cipher = try TenantCipher(keyring: try Keyring(current: try MasterKey(hex: Self.digits)), tenant: "acme")
        let error = #expect(throws: CacheError.self) {
            try cipher.open([UInt8](repeating: 0xc5, count: 40), key: CacheKey("users:alice"), compressed: false)
        }
        #expect(error?.code == .authenticationFailed)
        let text = error.map { String(reflecting: $0) } ?? ""
        for secret in ["acme", "alice"] + Self.traces { #expect(!text.contains(secret)) }
    }
}
