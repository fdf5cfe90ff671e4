import CacheKitCore
import Testing

struct DigestTests {
    @Test func `a digest by a kept context is that of a new one, whatever was hashed before`() throws {
        // FIPS 180-4's own example, then lengths around a block.
        let example = try SHA256.withDigest(ofPublic: bytes("abc")) { $0.prefix(4).map { $0 } }
        #expect(example == [0xBA, 0x78, 0x16, 0xBF])
        for count in [0, 1, 63, 64, 65, 1_052] {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            let lent = try message.withUnsafeBytes { message in
                try SHA256.withDigest(ofPublic: message) { [UInt8]($0) }
            }
            #expect(try lent == SHA256.digest(message), "of \(count) bytes")
        }
    }

    private func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
