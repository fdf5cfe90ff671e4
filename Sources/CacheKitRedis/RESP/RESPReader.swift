internal import CHiredis
internal import CacheKitCore

/// Parses replies out of bytes as they come, with hiredis' incremental reader.
///
/// The reader's own reply objects are not used: its callbacks build Swift values directly, so each value is copied once.
/// hiredis bounds nesting (7 levels); lengths and counts are bounded here. Confined to the connection's I/O thread.
final class RESPReader {
    private let reader: UnsafeMutablePointer<redisReader>
    // Not an object: the callbacks get it as a pointer for every element, and counting references would cost more than most
    // elements do.
    private let builder: UnsafeMutablePointer<ReplyBuilder>
    private var isBroken = false

    /// - Parameter maximumValueBytes: the largest string in a reply.
    init(maximumValueBytes: Int) throws(CacheError) {
        guard let reader = redisReaderCreateWithFunctions(replyFunctions.pointer) else {
            throw CacheError(.internalFault, "no memory for a Redis reply reader")
        }
        self.reader = reader
        builder = .allocate(capacity: 1)
        builder.initialize(to: ReplyBuilder(maximumValueBytes: maximumValueBytes))
        // The callbacks find the builder here; it lives as long as the reader.
        reader.pointee.privdata = UnsafeMutableRawPointer(builder)
        // Above this, an empty buffer is given back after use.
        reader.pointee.maxbuf = 256 << 10
    }

    deinit {
        redisReaderFree(reader)
        builder.deinitialize(count: 1)
        builder.deallocate()
    }

    /// Adds bytes that arrived.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(CacheError) {
        guard !isBroken, let start = bytes.baseAddress else { return }
        guard redisReaderFeed(reader, start.assumingMemoryBound(to: CChar.self), bytes.count) == REDIS_OK else {
            throw failure()
        }
    }

    /// The next complete reply, or `nil` until more bytes come.
    ///
    /// - Parameter valueCount: how many values of full size the reply may hold.
    /// - Throws: ``CacheError/Code/remoteProtocol`` for bytes that are no reply or are larger than the bounds; the
    ///   reader is of no use after that.
    func next(valueCount: Int = 1) throws(CacheError) -> RESPValue? {
        guard !isBroken else { throw failure() }
        builder.pointee.valueCount = max(1, valueCount)
        var token: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &token) == REDIS_OK else { throw failure() }
        if token != nil { return builder.pointee.finish() }
        // What is buffered belongs to one string that is not complete yet: anything longer than a value can be is
        // refused before memory is spent on it.
        guard reader.pointee.len - reader.pointee.pos <= builder.pointee.maximumValueBytes + 64 else {
            builder.pointee.isOverLimit = true
            throw failure()
        }
        return nil
    }

    private func failure() -> CacheError {
        isBroken = true
        if builder.pointee.isOverLimit {
            return CacheError(
                .remoteProtocol, "Redis sent a reply over the limit; raise maximumReplyBytes or delete the value")
        }
        // hiredis' text tells the kind of fault and at most one byte of the stream.
        return CacheError(
            .remoteProtocol, "what came from the server is not a Redis reply; check what listens at that address")
    }
}

/// Builds one reply, element by element, in the order of the stream.
private struct ReplyBuilder {
    let maximumValueBytes: Int
    var valueCount = 1
    var isOverLimit = false
    private var byteCount = 0
    /// The innermost array that is not complete, and how many elements it lacks; 0 where there is none.
    private var elements: [RESPValue] = []
    private var missingCount = 0
    /// The arrays around it.
    private var outer: [(elements: [RESPValue], missingCount: Int)] = []
    private var result: RESPValue?

    init(maximumValueBytes: Int) {
        self.maximumValueBytes = maximumValueBytes
    }

    /// What an element costs besides its bytes: its slot, and a margin for what carries no value.
    private static let elementCost = 32
    private static let freeBytes = 1 << 20

    /// Books bytes of the reply; `false` when that is too much.
    mutating func book(_ bytes: Int) -> Bool {
        byteCount += bytes + Self.elementCost
        let (product, overflow) = valueCount.multipliedReportingOverflow(by: maximumValueBytes)
        let limit = overflow ? Int.max - Self.freeBytes : min(product, Int.max - Self.freeBytes)
        isOverLimit = bytes > maximumValueBytes || byteCount > limit + Self.freeBytes
        return !isOverLimit
    }

    mutating func add(_ value: consuming RESPValue) {
        guard missingCount > 0 else {
            result = value
            return
        }
        elements.append(value)
        missingCount -= 1
        while missingCount == 0 {
            let complete = RESPValue.array(elements)
            guard let around = outer.popLast() else {
                elements = []
                result = complete
                return
            }
            elements = around.elements
            elements.append(complete)
            missingCount = around.missingCount - 1
        }
    }

    mutating func open(count: Int) -> Bool {
        // Each element takes at least 3 bytes of the stream, so a count can't be trusted before they came: nothing is
        // reserved on its word beyond a page.
        let (cost, overflow) = count.multipliedReportingOverflow(by: Self.elementCost)
        guard !overflow, book(0), cost <= maximumValueBytes + Self.freeBytes else {
            isOverLimit = true
            return false
        }
        guard count > 0 else {
            add(.array([]))
            return true
        }
        if missingCount > 0 { outer.append((elements, missingCount)) }
        elements = []
        elements.reserveCapacity(min(count, 1024))
        missingCount = count
        return true
    }

    mutating func finish() -> RESPValue? {
        byteCount = 0
        return result.take()
    }
}

/// hiredis keeps a pointer to its table of callbacks for as long as a reader lives; this one lives for ever.
private struct ReplyFunctions: @unchecked Sendable {
    // Unchecked because the table is written once, before anyone reads it.
    let pointer: UnsafeMutablePointer<redisReplyObjectFunctions>

    init() {
        pointer = .allocate(capacity: 1)
        pointer.initialize(
            to: redisReplyObjectFunctions(
                createString: { task, text, count in
                    withBuilder(task) { (builder: inout ReplyBuilder) in
                        guard builder.book(count) else { return false }
                        let bytes = UnsafeRawBufferPointer(start: text, count: count)
                        switch task?.pointee.type {
                        case REDIS_REPLY_STATUS: builder.add(.simpleString(String(decoding: bytes, as: UTF8.self)))
                        case REDIS_REPLY_ERROR: builder.add(.error(String(decoding: bytes, as: UTF8.self)))
                        default: builder.add(.bulkString(Array(bytes)))
                        }
                        return true
                    }
                },
                createArray: { task, count in
                    withBuilder(task) { $0.open(count: Int(count)) }
                },
                createInteger: { task, value in
                    withBuilder(task) { (builder: inout ReplyBuilder) in
                        guard builder.book(0) else { return false }
                        builder.add(.integer(value))
                        return true
                    }
                },
                createNil: { task in
                    withBuilder(task) { (builder: inout ReplyBuilder) in
                        guard builder.book(0) else { return false }
                        builder.add(.null)
                        return true
                    }
                },
                // The builder owns everything; what hiredis holds are only its own non-null tokens.
                freeObject: { _ in }))
    }
}

private let replyFunctions = ReplyFunctions()

/// Runs a callback's body on the builder; a null result makes hiredis report an error and stop.
private func withBuilder(
    _ task: UnsafePointer<redisReadTask>?, _ body: (inout ReplyBuilder) -> Bool
) -> UnsafeMutableRawPointer? {
    guard let token = task?.pointee.privdata else { return nil }
    return body(&token.assumingMemoryBound(to: ReplyBuilder.self).pointee) ? token : nil
}
