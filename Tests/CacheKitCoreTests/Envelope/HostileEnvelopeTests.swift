import Testing

@testable import CacheKitCore

struct HostileEnvelopeTests {
    private static func refusal(_ envelope: [UInt8]) -> CacheError? {
        do {
            _ = try ByteStorage.unpack(envelope)
            return nil
        } catch {
            return error
        }
    }

    @Test func `random bytes are refused as an envelope, with that code alone`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            var envelope = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            // Half of them get past the first byte.
            if Bool.random(using: &random), !envelope.isEmpty { envelope[0] = 0x94 }
            #expect(Self.refusal(envelope)?.code == .invalidEnvelope, "seed \(seed)")
        }
    }

    @Test func `an envelope with random parts is refused as one, or opens to its own bytes`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var refused = 0
        for _ in 0..<5000 {
            let original = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...3, using: &random)
            }
            var envelope = try ByteStorage.pack(original)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<envelope.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: envelope[index] = UInt8.random(in: 0...255, using: &random)
                case 1: envelope.remove(at: index)
                default: envelope.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
            }
            do {
                #expect(try ByteStorage.unpack(envelope) == original, "seed \(seed)")
            } catch {
                refused += 1
                #expect(error.code == .invalidEnvelope, "seed \(seed)")
            }
        }
        #expect(refused > 4000, "seed \(seed)")
    }

    @Test func `sizes at the edge of 64 bits are refused before anything is allocated`() {
        let head: [UInt8] = [0x94, 0xc4, 2, 0x10, 0x61]
        let checksum: [UInt8] = [0x98, 0, 0, 0, 0, 0, 0, 0, 0]
        let format: [UInt8] = [0xa7] + Array("msgpack".utf8)
        let sizes: [[UInt8]] = [
            [0xcf] + [UInt8](repeating: 0xff, count: 8), [0xcf, 0x7f] + [UInt8](repeating: 0xff, count: 7),
            [0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0], [0xce, 0x20, 0, 0, 1], [0xcf, 0, 0, 0, 1, 0, 0, 0, 1],
            [0xd3] + [UInt8](repeating: 0xff, count: 8),
        ]
        for size in sizes {
            #expect(Self.refusal(head + checksum + size + format)?.code == .invalidEnvelope)
        }
        for block: [UInt8] in [
            [0xc6, 0xff, 0xff, 0xff, 0xff], [0xc5, 0xff, 0xff], [0xdd, 0x7f, 0xff, 0xff, 0xff], [0xdc, 0xff, 0xff],
            [0x91, 0xcd, 1, 0], [0x91, 0xff], [0xa1, 0x61], [0xc0],
        ] {
            #expect(Self.refusal([0x94] + block + checksum + [1] + format)?.code == .invalidEnvelope)
        }
    }

    @Test func `an envelope of another format is refused, and its own name opens it`() throws {
        let envelope = try ByteStorage.pack([1, 2, 3], format: "arrow")
        #expect(Self.refusal(envelope)?.code == .invalidEnvelope)
        #expect(try ByteStorage.unpack(envelope, format: "arrow") == [1, 2, 3])
    }
}
