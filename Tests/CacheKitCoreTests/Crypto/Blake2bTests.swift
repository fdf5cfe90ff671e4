import Testing

@testable import CacheKitCore

/// Constants computed by `hashlib.blake2b(message, digest_size=32)` of Python 3.11.
struct Blake2bTests {
    /// Bytes `(7 i + 3) mod 256`.
    private static func message(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) } }

    @Test(arguments: [
        (0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
        (1, "e88bd757ad5b9bedf372d8d3f0cf6c962a469db61a265f6418e1ffed86da29ec"),
        (127, "c9ae3859964b35f04c54b36d33cf299d7290ee621005d28e51598a943560aaaa"),
        (128, "f0501d06597880592bc49234eef100ec1ff349058d0e9d9b753504e24af86dd6"),
        (129, "a34a4e1e03c541dfbf3099c4b6c143c022ced65c28bd7e8a10e0a098461aecf0"),
        (256, "d93ebb9c802f5630ab22516fd82b6c21bc8bd551d531349b715f046ed11ed871"),
        (257, "4ce481b24d387422d2bc2baa03d1afd55a1327939ff537c71eb9b38709268649"),
        (300, "3f712d8870a79a34ed4aed7b4e82123cea195af956e7ebef11d8a9d2f644734e"),
    ])
    func `the digest at the border of a block equals hashlib's`(count: Int, digest: String) {
        #expect(hex(Blake2b.digest256(Self.message(count))) == digest)
    }

    @Test func `the digest of the digests of every length from 0 to 300 equals hashlib's`() {
        let digests = (0...300).flatMap { Blake2b.digest256(Self.message($0)) }
        #expect(
            hex(Blake2b.digest256(digests)) == "c583d89fa9bbe8bdc8a928a77201cd72465c88dd678ec1681fb2e03d5596046e")
    }
}
