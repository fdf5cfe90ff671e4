import Testing

@testable import CacheKitCore

struct ByteStorageTests {
    @Test(.enabled(if: SharedVectors.wireFormat != nil, "the shared folder with the vectors is absent"))
    func `every published envelope decodes, in both encodings`() throws {
        let vectors = SharedVectors.list(SharedVectors.wireFormat, "vectors")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let envelope = bytes(hex: try #require(vector["envelope_hex"] as? String))
            let input = bytes(hex: try #require(vector["input_hex"] as? String))
            let format = try #require(vector["format"] as? String)
            #expect(try ByteStorage.unpack(envelope, format: format) == input)
            #expect(try ByteStorage.unpack(try ByteStorage.pack(input)) == input)
        }
    }

    @Test func `an envelope cut anywhere, or with any bit flipped, is refused or gives the same bytes`() throws {
        let original = Array(String(repeating: "the same again and again, ", count: 40).utf8)
        let envelope = try ByteStorage.pack(original)
        for count in 0..<envelope.count {
            #expect(throws: CacheError.self) { try ByteStorage.unpack(Array(envelope[..<count])) }
        }
        for bit in 0..<envelope.count * 8 {
            var altered = envelope
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            if let bytes = try? ByteStorage.unpack(altered) { #expect(bytes == original) }
        }
        #expect(throws: CacheError.self) { try ByteStorage.unpack(envelope + [0]) }
    }

    @Test func `a stated size over 1000 times the block is refused before decompressing`() {
        let tail: [UInt8] = [0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0xce, 0x1f, 0xff, 0xff, 0xff, 0xa7] + Array("msgpack".utf8)
        #expect(throws: CacheError.self) { try ByteStorage.unpack([0x94, 0xc4, 1, 0] + tail) }
        #expect(throws: CacheError.self) { try ByteStorage.unpack([0x94, 0xc4, 0] + tail) }
        #expect(throws: CacheError.self) { try ByteStorage.unpack([0x94, 0xdd, 0xff, 0xff, 0xff, 0xff] + tail) }
    }
}
