import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct ValueAttributesTests {
    private func roundTrip(_ attributes: ValueAttributes, _ document: [UInt8]) throws -> (ValueAttributes, [UInt8]) {
        var bytes = attributes.prefixed(to: document)
        let read = try ValueAttributes(removedFrom: &bytes)
        return (read, bytes)
    }

    @Test func `attributes come back as they were, and the document too`() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<500 {
            var attributes = ValueAttributes()
            if Bool.random(using: &random) { attributes.stamp = .random(in: 1 ... .max, using: &random) }
            if Bool.random(using: &random) {
                attributes.slidingEnd = Timestamp(milliseconds: .random(in: 0 ... .max, using: &random))
            }
            if Bool.random(using: &random) { attributes.loadMilliseconds = .random(in: 0 ... .max, using: &random) }
            if Bool.random(using: &random) {
                attributes.slidingLife = .milliseconds(Int64.random(in: 1...300_000_000_000, using: &random))
            }
            for tag in 0..<Int.random(in: 0...64, using: &random) { attributes.tags.append(try TagHash("tag \(tag)")) }
            let document = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let (read, left) = try roundTrip(attributes, document)
            #expect(read == attributes)
            #expect(left == document)
        }
    }

    @Test func `a document without attributes is kept byte for byte, unless it looks as if it had some`() throws {
        #expect(ValueAttributes().prefixed(to: [0xC0]) == [0xC0])
        let lookalike: [UInt8] = [0xC7, 1, 75, 9]
        #expect(ValueAttributes().prefixed(to: lookalike) != lookalike)
        let (read, left) = try roundTrip(ValueAttributes(), lookalike)
        #expect(read.isEmpty)
        #expect(left == lookalike)
    }

    @Test(
        arguments: [
            [0xC7, 1, 75, 0x80], [0xC7, 9, 75, 8, 0, 0, 0, 0, 0, 0, 0, 0], [0xC7, 9, 75, 8, 127, 0, 0, 0, 0, 0, 0, 0],
            [0xC7, 2, 75, 1, 0], [0xC7, 3, 75, 0, 1, 2],
            [0xC7, 0, 75, 0xC0],
        ] as [[UInt8]])
    func `attributes that are not well formed are an error`(bytes: [UInt8]) {
        var document = bytes
        #expect(throws: CacheError.self) { try ValueAttributes(removedFrom: &document) }
    }

    @Test func `tags are bounded in number and length`() {
        #expect(throws: CacheError.self) { try ValueAttributes.hashes(of: (0...64).map { "\($0)" }) }
        #expect(throws: CacheError.self) { try ValueAttributes.hashes(of: [""]) }
        #expect(throws: CacheError.self) { try ValueAttributes.hashes(of: [String(repeating: "t", count: 257)]) }
        #expect(throws: Never.self) { try ValueAttributes.hashes(of: (0..<64).map { "\($0)" }) }
    }
}
