import CacheKitCore
import Foundation
import Testing

// The short form of `make fuzz`: its seeds through the same parsers, without its instruments.
@Suite struct FuzzSeedTests {
    private func seeds(_ program: String) throws -> [[UInt8]] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fuzz/Corpus/\(program)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            .map { Array(try Data(contentsOf: folder.appending(path: $0))) }
    }

    /// How many seeds were read; the others must be refused with the parser's own code.
    private func count(
        _ program: String, _ code: CacheError.Code, _ parse: ([UInt8]) throws(CacheError) -> Void
    ) throws -> (read: Int, refused: Int) {
        var counts = (read: 0, refused: 0)
        for seed in try seeds(program) {
            do throws(CacheError) {
                try parse(seed)
                counts.read += 1
            } catch {
                #expect(error.code == code)
                counts.refused += 1
            }
        }
        return counts
    }

    @Test func `seeds of MessagePack are decoded and written back the same, or refused`() throws {
        let counts = try count("FuzzMessagePack", .decoding) { bytes throws(CacheError) in
            let written = try MessagePackValue(decoding: bytes).encoded()
            #expect(try MessagePackValue(decoding: written).encoded() == written)
        }
        #expect(counts.read > 5 && counts.refused > 5)
    }

    @Test func `seeds of envelopes are unpacked and packed back the same, or refused`() throws {
        let counts = try count("FuzzEnvelope", .invalidEnvelope) { bytes throws(CacheError) in
            let original = try ByteStorage.unpack(bytes)
            #expect(try ByteStorage.unpack(try ByteStorage.pack(original)) == original)
        }
        #expect(counts.read > 5 && counts.refused > 1)
    }

    @Test func `seeds of JSON are read and written back the same, or refused`() throws {
        let counts = try count("FuzzJSON", .decoding) { bytes throws(CacheError) in
            let text = try MessagePackValue(json: bytes).json
            #expect(try MessagePackValue(json: text).json == text)
        }
        #expect(counts.read > 5 && counts.refused > 3)
    }
}
