/// Memory lent for the length of one call: what was opened or decompressed, on its way to whoever decodes it.
///
/// Kept between calls, because allocating and freeing what is larger than a kibibyte takes longer than unpacking it. It
/// is zeroed before it is put back, so that no value stays readable in it.
enum Scratch {
    /// More than this is allocated for the call.
    static let keptByteCount = 32 << 10

    private static let pool = ContextPool()

    /// Lends `count` bytes, aligned to 64; their content is undefined.
    @inline(__always)
    static func lend<Result, Failure: Error>(
        _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let isKept = count <= keptByteCount
        let memory = (isKept ? pool.take() : nil) ?? allocate(isKept ? keptByteCount : count)
        let lent = UnsafeMutableRawBufferPointer(start: memory, count: count)
        defer {
            lent.initializeMemory(as: UInt8.self, repeating: 0)
            if !isKept || !pool.put(memory) { memory.deallocate() }
        }
        return try body(lent)
    }

    @inline(never)
    private static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: count, alignment: 64)
    }
}
