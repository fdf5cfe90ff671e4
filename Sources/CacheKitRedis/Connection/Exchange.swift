internal import CacheKitCore

/// One conversation on a new stream, before anyone shares it. Blocks: for I/O threads only.
struct Exchange {
    let stream: any ByteStream
    let reader: RESPReader

    /// Sends commands and gives each reply as soon as it is there, with its position.
    ///
    /// - Parameter isFirst: whether nothing was received on the stream yet, so that what comes tells who is there.
    /// - Throws: `remoteTimeout` at the deadline, and what `judge` throws.
    func perform(
        _ writer: RESPWriter, isFirst: Bool = false, deadline: ContinuousClock.Instant,
        judge: (_ position: Int, _ reply: RESPValue) throws(CacheError) -> Void
    ) throws(CacheError) {
        try send(writer, deadline: deadline)
        var isFirst = isFirst
        for position in 0..<writer.commandCount {
            // Judged one by one: a server that is full says so to the first command and closes.
            try judge(position, try next(&isFirst, deadline: deadline))
        }
    }

    /// Sends commands and gives their replies; error replies are values here.
    func ask(_ writer: RESPWriter, deadline: ContinuousClock.Instant) throws(CacheError) -> [RESPValue] {
        var replies: [RESPValue] = []
        try perform(writer, deadline: deadline) { _, reply in replies.append(reply) }
        return replies
    }

    private func next(_ isFirst: inout Bool, deadline: ContinuousClock.Instant) throws(CacheError) -> RESPValue {
        while true {
            if let reply = try reader.next() { return reply }
            // Asked here too: a peer that sends byte by byte is always ready.
            guard deadline > .now,
                stream.holdsReceivedBytes || Poll.wait(stream.descriptor, for: .reading, until: deadline)
            else { throw .redisConnectTimeout() }
            try receive(&isFirst)
        }
    }

    /// Takes what has arrived, if anything.
    func receive() throws(CacheError) {
        var isFirst = false
        try receive(&isFirst)
    }

    private func receive(_ isFirst: inout Bool) throws(CacheError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { buffer.deallocate() }
        // Who hangs up without a word, or answers with an alert of TLS, may be no Redis, or one that expects TLS.
        let isUnknown = isFirst && !stream.isEncrypted
        switch stream.read(into: buffer) {
        case .bytes(let size):
            // RFC 8446, section 5.1; no reply of Redis begins like it.
            if isUnknown, buffer[0] == 21 { throw .tlsExpected() }
            isFirst = false
            try reader.feed(UnsafeRawBufferPointer(rebasing: buffer[..<size]))
        case .wouldBlock: return
        case .endOfStream: throw isUnknown ? .redisClosedUnanswered() : .redisClosed()
        case .failed(let error): throw isUnknown ? .redisClosedUnanswered(error) : error
        }
    }

    /// Sends commands whose replies somebody else reads.
    func send(_ writer: RESPWriter, deadline: ContinuousClock.Instant) throws(CacheError) {
        let bytes = writer.bytes
        var offset = 0
        while offset < bytes.count {
            switch bytes.withUnsafeBytes({ stream.write(UnsafeRawBufferPointer(rebasing: $0[offset...])) }) {
            case .bytes(let count): offset += count
            case .wouldBlock:
                guard Poll.wait(stream.descriptor, for: .writing, until: deadline) else { throw .redisConnectTimeout() }
            case .endOfStream: throw .redisClosed()
            case .failed(let error): throw error
            }
        }
    }
}
