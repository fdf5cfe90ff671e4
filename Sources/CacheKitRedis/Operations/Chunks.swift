/// Cuts long calls into batches, so that one of them neither fills the pipeline nor holds up other callers for long.
enum Chunks {
    /// At most so many keys or writes in one batch.
    static let maximumCount = 1_024
    /// About so many bytes; always at least one element.
    static let maximumBytes = 1 << 20

    static func cut<Operation: KeyedOperation>(
        _ elements: [Operation.Element], _ operation: Operation
    ) -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var start = 0
        var bytes = 0
        for index in elements.indices {
            let next = operation.byteCount(of: elements[index])
            if index > start, index - start == maximumCount || bytes + next > maximumBytes {
                chunks.append(start..<index)
                start = index
                bytes = 0
            }
            bytes += next
        }
        if start < elements.count { chunks.append(start..<elements.count) }
        return chunks
    }
}
