/// BLAKE2b without a key (RFC 7693); OpenSSL 3.0 can't give its 32-byte digest, so it is written here.
public enum Blake2b {
    /// The 32-byte digest of the bytes, as interop keys use it (protocol section 2).
    public static func digest256(_ bytes: [UInt8]) -> [UInt8] {
        digest(bytes, byteCount: 32)
    }

    /// The digest of the bytes with another length, 1 to 64; tests use 64 for the RFC's own vector.
    static func digest(_ bytes: [UInt8], byteCount: Int) -> [UInt8] {
        precondition((1...64).contains(byteCount), "a BLAKE2b digest has 1 to 64 bytes")
        var state = initialVector
        // Parameter block (RFC 7693, 2.5): digest length, no key, fanout 1, depth 1.
        state[0] ^= 0x0101_0000 ^ UInt64(byteCount)
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while bytes.count - offset > blockByteCount {
                let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + blockByteCount])
                offset += blockByteCount
                compress(&state, block, counted: offset, isLast: false)
            }
            // The last block is zero-padded, also when it is empty or full.
            withUnsafeTemporaryAllocation(byteCount: blockByteCount, alignment: 8) { block in
                block.initializeMemory(as: UInt8.self, repeating: 0)
                block.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
                compress(&state, UnsafeRawBufferPointer(block), counted: bytes.count, isLast: true)
            }
        }
        return (0..<byteCount).map { UInt8(truncatingIfNeeded: state[$0 / 8] >> UInt64(8 * ($0 % 8))) }
    }

    private static let blockByteCount = 128

    private static func compress(
        _ state: inout InlineArray<8, UInt64>, _ block: UnsafeRawBufferPointer, counted: Int, isLast: Bool
    ) {
        var work = InlineArray<16, UInt64>(repeating: 0)
        for index in 0..<8 {
            work[index] = state[index]
            work[index + 8] = initialVector[index]
        }
        work[12] ^= UInt64(counted)
        if isLast { work[14] = ~work[14] }
        var words = InlineArray<16, UInt64>(repeating: 0)
        for index in 0..<16 {
            words[index] = UInt64(littleEndian: block.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        for round in 0..<12 {
            let row = 16 * (round % 10)
            for step in 0..<8 {
                let lane = lanes[step]
                mix(
                    &work, lane, words[Int(permutations[row + 2 * step])], words[Int(permutations[row + 2 * step + 1])])
            }
        }
        for index in 0..<8 { state[index] ^= work[index] ^ work[index + 8] }
    }

    // The function G of RFC 7693, 3.1.
    @inline(__always)
    private static func mix(
        _ work: inout InlineArray<16, UInt64>, _ lane: (Int, Int, Int, Int), _ first: UInt64, _ second: UInt64
    ) {
        let (a, b, c, d) = lane
        work[a] = work[a] &+ work[b] &+ first
        work[d] = rotate(work[d] ^ work[a], 32)
        work[c] = work[c] &+ work[d]
        work[b] = rotate(work[b] ^ work[c], 24)
        work[a] = work[a] &+ work[b] &+ second
        work[d] = rotate(work[d] ^ work[a], 16)
        work[c] = work[c] &+ work[d]
        work[b] = rotate(work[b] ^ work[c], 63)
    }

    @inline(__always)
    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
        word >> count | word << (64 - count)
    }

    // Columns, then diagonals of the 4 x 4 work matrix.
    private static let lanes: InlineArray<8, (Int, Int, Int, Int)> = [
        (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
    ]

    // RFC 7693, 2.6: the fractional parts of the square roots of the first eight primes.
    private static let initialVector: InlineArray<8, UInt64> = [
        0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
    ]

    // RFC 7693, 2.7: SIGMA, one row per round; rounds 10 and 11 use rows 0 and 1 again.
    private static let permutations: InlineArray<160, UInt8> = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
        11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
        7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
        9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
        2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
        12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
        13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
        6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
        10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
    ]
}
