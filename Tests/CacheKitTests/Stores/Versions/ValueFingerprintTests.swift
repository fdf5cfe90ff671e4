import CacheKit
import CacheKitCore
import Testing

/// Fingerprints as other programs compute them; the expected ones are from Python's hashlib.
@Suite struct ValueFingerprintTests {
    private func hex(_ fingerprint: ValueFingerprint) -> String {
        fingerprint.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static let bytes = (0..<65_537).map { UInt8(truncatingIfNeeded: $0) }

    @Test(
        arguments: [
            ([], "b44b82a4bc6c35f6ad5e9fceefef9509"), (Array("abc".utf8), "7ac1b65bee717261fd2b947f0cc5ef99"),
            (Array(bytes.prefix(65_536)), "d050c3d4bc3468be32635880da3d5a99"),
            (bytes, "3552e72247e943a6a05effcee6fb9734"),
        ] as [([UInt8], String)])
    func `a plain value is known by length and content, a long one by its ends`(value: [UInt8], expected: String) throws
    {
        #expect(try hex(ValueFingerprint(of: value, form: .plain)) == expected)
        guard value.count > ValueFingerprint.wholeByteCount else { return }
        var other = value
        other[40_000 - 7_232] ^= 1
        #expect(try ValueFingerprint(of: other, form: .plain) == ValueFingerprint(of: value, form: .plain))
        other[32_767] ^= 1
        #expect(try ValueFingerprint(of: other, form: .plain) != ValueFingerprint(of: value, form: .plain))
    }

    @Test func `a sealed value is known by its tag, and what is too short to have one as a plain value`() throws {
        let form = ValueForm.sealed(KeyFingerprint(high: 1, low: 2))
        let value = Array(Self.bytes.prefix(44))
        #expect(try ValueFingerprint(of: value, form: form).bytes == Array(28..<44))
        #expect(try hex(ValueFingerprint(of: Array("abc".utf8), form: form)) == "7ac1b65bee717261fd2b947f0cc5ef99")
    }
}
