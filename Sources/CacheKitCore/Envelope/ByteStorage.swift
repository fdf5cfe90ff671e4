import CLZ4
import CXXHash

/// The ByteStorage envelope (protocol 1.1, section 4): a MessagePack array of LZ4 block, XXH3-64, size and format.
public enum ByteStorage {
    /// The largest envelope, compressed block and original, in bytes each.
    public static let maximumByteCount = 512 << 20
    /// The largest ratio of original to compressed size.
    public static let maximumRatio = 1000
    /// The format of the document inside, as this SDK writes it.
    public static let messagePackFormat = "msgpack"

    /// The largest envelope that `count` bytes can give, with the format `msgpack`.
    public static func maximumPackedByteCount(_ count: Int) -> Int {
        // LZ4's bound for one block; header, checksum, size and format take at most 64 bytes.
        count + count / 255 + 16 + 64
    }

    /// Compresses bytes into an envelope.
    ///
    /// - Throws: ``CacheError/Code/valueTooLarge`` above 512 MiB, ``CacheError/Code/internalFault`` when LZ4 fails.
    public static func pack(
        _ bytes: UnsafeRawBufferPointer, format: String = messagePackFormat
    ) throws(CacheError) -> [UInt8] {
        guard bytes.count <= maximumByteCount else { throw tooLarge(bytes.count) }
        let bound = Int(LZ4_compressBound(Int32(bytes.count)))
        // Scratch, then one copy of the (smaller) block: the envelope gets an allocation of its own size, which a memory
        // tier keeps for long.
        let envelope = withUnsafeTemporaryAllocation(byteCount: bound, alignment: 16) { block -> [UInt8]? in
            let count = compress(bytes, into: block)
            guard count > 0 else { return nil }
            return write(UnsafeRawBufferPointer(rebasing: block[..<count]), of: bytes, format: format)
        }
        guard let envelope else { throw CacheError(.internalFault, "LZ4 failed to compress; please report it") }
        guard envelope.count <= maximumByteCount else { throw tooLarge(bytes.count) }
        return envelope
    }

    /// Compresses an array into an envelope.
    public static func pack(_ bytes: [UInt8], format: String = messagePackFormat) throws(CacheError) -> [UInt8] {
        try bytes.lend { bytes throws(CacheError) in try pack(bytes, format: format) }
    }

    /// The original bytes of an envelope; every limit is checked before anything is decompressed.
    ///
    /// - Throws: ``CacheError/Code/invalidEnvelope`` when it is malformed, over a limit, of another format, or when size or
    ///   checksum differ.
    public static func unpack(
        _ envelope: UnsafeRawBufferPointer, format: String = messagePackFormat
    ) throws(CacheError) -> [UInt8] {
        let parts = try checkedParts(envelope, format)
        var isIntact = false
        let original = [UInt8](count: Int(parts.originalByteCount)) { original in
            isIntact = parts.block.withBytes { decompress($0, into: original) }
            return isIntact
        }
        guard isIntact else { throw invalid("does not decompress to its stated size") }
        guard XXH3.hash64(original) == parts.checksum else { throw invalid("has a wrong checksum") }
        return original
    }

    /// The original bytes of an envelope given as an array.
    public static func unpack(_ envelope: [UInt8], format: String = messagePackFormat) throws(CacheError) -> [UInt8] {
        try envelope.lend { envelope throws(CacheError) in try unpack(envelope, format: format) }
    }

    static func invalid(_ problem: String) -> CacheError {
        CacheError(.invalidEnvelope, "the envelope \(problem); was the entry written in another mode, or altered?")
    }

    private static func checkedParts(
        _ envelope: UnsafeRawBufferPointer, _ format: String
    ) throws(CacheError) -> EnvelopeParts {
        guard envelope.count <= maximumByteCount else { throw invalid("is larger than 512 MiB") }
        let parts = try EnvelopeParts(envelope)
        try check(parts, format)
        return parts
    }

    private static func check(_ parts: EnvelopeParts, _ format: String) throws(CacheError) {
        let compressed = UInt64(parts.block.count)
        guard compressed > 0 else { throw invalid("has an empty block") }
        guard compressed <= maximumByteCount else { throw invalid("has a block larger than 512 MiB") }
        guard parts.originalByteCount <= maximumByteCount else { throw invalid("states more than 512 MiB") }
        guard parts.originalByteCount <= UInt64(maximumRatio) * compressed else {
            throw invalid("states a size over \(maximumRatio) times its block")
        }
        guard isEqual(parts.format, format) else { throw invalid("has an unknown format") }
    }

    private static func isEqual(_ bytes: UnsafeRawBufferPointer, _ format: String) -> Bool {
        // A native string lends its bytes without a copy.
        format.utf8.withContiguousStorageIfAvailable { bytes.count == $0.count && bytes.elementsEqual($0) }
            ?? bytes.elementsEqual(format.utf8)
    }

    private static func compress(_ bytes: UnsafeRawBufferPointer, into block: UnsafeMutableRawBufferPointer) -> Int {
        // LZ4 takes no null pointer, also where it reads nothing.
        var nothing: CChar = 0
        return withUnsafePointer(to: &nothing) { nothing in
            let source = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) ?? nothing
            let target = block.baseAddress?.assumingMemoryBound(to: CChar.self)
            return Int(LZ4_compress_default(source, target, Int32(bytes.count), Int32(block.count)))
        }
    }

    // `true` if the block gives exactly what `original` has room for.
    private static func decompress(
        _ block: UnsafeRawBufferPointer, into original: UnsafeMutableRawBufferPointer
    ) -> Bool {
        // LZ4 takes no null pointer, also where it writes nothing.
        var nothing: CChar = 0
        return withUnsafeMutablePointer(to: &nothing) { nothing in
            let target = original.baseAddress?.assumingMemoryBound(to: CChar.self) ?? nothing
            let source = block.baseAddress?.assumingMemoryBound(to: CChar.self)
            return LZ4_decompress_safe(source, target, Int32(block.count), Int32(original.count)) == original.count
        }
    }

    private static func tooLarge(_ count: Int) -> CacheError {
        CacheError(.valueTooLarge, "a value of \(count) bytes does not fit an envelope; the limit is 512 MiB")
    }

    private static func write(
        _ block: UnsafeRawBufferPointer, of original: UnsafeRawBufferPointer, format: String
    ) -> [UInt8] {
        // Header of the block at most 6 bytes, checksum 17, size 9, format 2 and its bytes.
        var envelope: [UInt8] = []
        envelope.reserveCapacity(1 + 6 + block.count + 17 + 9 + 2 + format.utf8.count)
        envelope.append(0x94)
        EnvelopeWriter.append(binHeader: block.count, to: &envelope)
        envelope.append(contentsOf: block)
        EnvelopeWriter.append(checksum: XXH3.hash64(original), to: &envelope)
        EnvelopeWriter.append(unsigned: UInt64(original.count), to: &envelope)
        EnvelopeWriter.append(string: format, to: &envelope)
        return envelope
    }
}
