#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Bytes of a ``FaultProxy`` in one direction, and what happens to them on the way.
struct FaultProxyFlow {
    enum Outcome {
        case open
        /// One side has closed, and everything before that was given on.
        case closed
        /// The byte was reached at which the connection is cut.
        case cut
    }

    private struct Chunk {
        var bytes: ArraySlice<UInt8>
        var due: ContinuousClock.Instant
    }

    private static let capacity = 64 << 10

    private let source: CInt
    private let target: CInt
    private var cutAfter: Int?
    private var swallowAfter: Int?
    private var delay = Duration.zero
    private var interval: Duration?
    private var garbage: (bytes: [UInt8], after: Int)?

    /// Bytes taken from the source so far.
    private var position = 0
    private var chunks: [Chunk] = []
    private var heldCount = 0
    private var lastDue = ContinuousClock.now
    private var isSourceClosed = false

    init(from source: CInt, to target: CInt, _ direction: Fault.Direction, _ faults: [Fault]) {
        self.source = source
        self.target = target
        for fault in faults {
            switch fault {
            case .cut(direction, let after): cutAfter = min(cutAfter ?? .max, max(0, after))
            case .swallow(direction, let after): swallowAfter = min(swallowAfter ?? .max, max(0, after))
            case .delay(direction, let duration): delay = duration
            case .trickle(direction, let every): interval = every
            case .garbage(let bytes, let after) where direction == .replies: garbage = (bytes, max(0, after))
            case .cut, .swallow, .delay, .trickle, .garbage: break
            }
        }
    }

    var hasRoom: Bool { !isSourceClosed && heldCount < Self.capacity && !isAtCut }
    var nextDue: ContinuousClock.Instant? { chunks.first?.due }

    func isDue(_ now: ContinuousClock.Instant) -> Bool { chunks.first.map { $0.due <= now } ?? false }

    private var isAtCut: Bool { cutAfter.map { position >= $0 } ?? false }

    /// Takes what has come and gives on what is due.
    mutating func move(_ now: ContinuousClock.Instant) -> Outcome {
        if hasRoom { take(now) }
        guard give(now) else { return .closed }
        guard chunks.isEmpty else { return .open }
        return isAtCut ? .cut : isSourceClosed ? .closed : .open
    }

    private mutating func take(_ now: ContinuousClock.Instant) {
        // Bytes one by one cost a chunk each.
        let most = interval == nil ? 16 << 10 : 1 << 10
        var buffer = [UInt8](repeating: 0, count: min(most, cutAfter.map { $0 - position } ?? most))
        let count = recv(source, &buffer, buffer.count, 0)
        guard count > 0 else {
            if count == 0 || errno != EAGAIN && errno != EINTR { isSourceClosed = true }
            return
        }
        var bytes = buffer[..<count]
        if let after = swallowAfter { bytes = bytes.prefix(max(0, after - position)) }
        if let (foreign, after) = garbage, after < position + count {
            let split = min(after - position, bytes.count)
            bytes = bytes.prefix(split) + foreign + bytes.dropFirst(split)
            garbage = nil
        }
        position += count
        hold(bytes[...], now)
    }

    private mutating func hold(_ bytes: ArraySlice<UInt8>, _ now: ContinuousClock.Instant) {
        guard !bytes.isEmpty else { return }
        heldCount += bytes.count
        guard let interval else {
            chunks.append(Chunk(bytes: bytes, due: now + delay))
            return
        }
        for index in bytes.indices {
            lastDue = max(lastDue + interval, now + delay)
            chunks.append(Chunk(bytes: bytes[index...index], due: lastDue))
        }
    }

    /// `false` when the target takes no more bytes for good.
    private mutating func give(_ now: ContinuousClock.Instant) -> Bool {
        #if os(Linux)
            let flags = CInt(MSG_NOSIGNAL)
        #else
            let flags: CInt = 0
        #endif
        var done = 0
        defer { chunks.removeFirst(done) }
        while done < chunks.count, chunks[done].due <= now {
            let bytes = chunks[done].bytes
            let count = bytes.withUnsafeBytes { send(target, $0.baseAddress, $0.count, flags) }
            guard count >= 0 else { return errno == EAGAIN || errno == EINTR }
            heldCount -= count
            guard count == bytes.count else {
                chunks[done].bytes = bytes.dropFirst(count)
                return true
            }
            done += 1
        }
        return true
    }

    /// Throws away what has come; `true` when the other side has closed.
    static func discard(_ descriptor: CInt) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return true }
            if count < 0 { return errno != EAGAIN && errno != EINTR }
        }
    }
}
