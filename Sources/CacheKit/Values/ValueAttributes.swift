import CacheKitCore

/// What is kept of a value in native mode beside it, under the same seal: in front of the document, and only where there is
/// something to say.
///
/// A MessagePack extension of type 75 (docs/file-format.md, "Values"): flags (1); where a flag says so stamp (8), end of sliding (8),
/// load time (4), length of a sliding life (8), big-endian; then 16 bytes for each tag.
struct ValueAttributes: Sendable, Equatable {
    /// Orders the value against removals of its namespace and tags: from before it was loaded, or when it was set; 0 for none.
    var stamp: UInt64 = 0
    /// When a sliding value's life ends whatever is read.
    var slidingEnd: Timestamp?
    /// How long a sliding value lives from each reading, where that is not the TTL of its namespace.
    var slidingLife: Duration?
    /// How long the loader took, in milliseconds; `nil` for a value that was set.
    var loadMilliseconds: UInt32?
    /// Of the value's tags.
    var tags: [TagHash] = []

    /// The extension's type: what begins with one is never a document.
    static let type: UInt8 = 75
    /// So that the extension's length fits 16 bits with room to spare.
    static let maximumTagCount = 64

    private static let stampFlag: UInt8 = 1
    private static let slidingFlag: UInt8 = 2
    private static let loadFlag: UInt8 = 4
    private static let slidingLifeFlag: UInt8 = 8

    private static let knownFlags = stampFlag | slidingFlag | loadFlag | slidingLifeFlag

    var isEmpty: Bool { self == ValueAttributes() }

    /// The document with the attributes in front.
    func prefixed(to document: [UInt8]) -> [UInt8] {
        // A document that looks as if it had attributes gets empty ones, and is told apart so.
        guard !isEmpty || Self.payload(of: document) != nil else { return document }
        var payload: [UInt8] = [
            (stamp == 0 ? 0 : Self.stampFlag) | (slidingEnd == nil ? 0 : Self.slidingFlag)
                | (loadMilliseconds == nil ? 0 : Self.loadFlag) | (slidingLife == nil ? 0 : Self.slidingLifeFlag)
        ]
        if stamp != 0 { payload.append(bigEndian: stamp) }
        if let slidingEnd { payload.append(bigEndian: UInt64(bitPattern: slidingEnd.milliseconds)) }
        if let loadMilliseconds { payload.append(bigEndian: loadMilliseconds) }
        if let slidingLife { payload.append(bigEndian: UInt64(slidingLife.wholeMilliseconds)) }
        for tag in tags { tag.append(to: &payload) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + payload.count + document.count)
        if payload.count < 256 {
            bytes += [0xC7, UInt8(payload.count), Self.type]
        } else {
            bytes += [0xC8, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), Self.type]
        }
        bytes += payload
        bytes += document
        return bytes
    }

    /// Takes the attributes off the front of what was sealed.
    ///
    /// - Throws: ``CacheError/Code/decoding`` for attributes that are not well formed.
    init(removedFrom document: inout [UInt8]) throws(CacheError) {
        self.init()
        guard let payload = Self.payload(of: document) else { return }
        try document.withUnsafeBufferPointer { bytes throws(CacheError) in
            try read(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[payload]))
        }
        document.removeFirst(payload.upperBound)
    }

    init() {}

    /// - Throws: ``CacheError/Code/invalidArgument`` for more tags than fit, or one that is empty or too long.
    static func hashes(of tags: [String]) throws(CacheError) -> [TagHash] {
        guard tags.count <= maximumTagCount, tags.allSatisfy({ (1...256).contains($0.utf8.count) }) else {
            throw CacheError(.invalidArgument, "a value has at most 64 tags of 1 to 256 bytes of UTF-8 each")
        }
        var hashes: [TagHash] = []
        for tag in tags { hashes.append(try TagHash(tag)) }
        return hashes
    }

    /// Where the attributes lie in a document that begins with some.
    private static func payload(of document: [UInt8]) -> Range<Int>? {
        guard document.count > 3 else { return nil }
        switch document[0] {
        case 0xC7 where document[2] == type: return range(3, Int(document[1]), document)
        case 0xC8 where document[3] == type: return range(4, Int(document[1]) << 8 | Int(document[2]), document)
        default: return nil
        }
    }

    private static func range(_ start: Int, _ count: Int, _ document: [UInt8]) -> Range<Int>? {
        start + count <= document.count ? start..<start + count : nil
    }

    private mutating func read(_ bytes: UnsafeRawBufferPointer) throws(CacheError) {
        var position = 1
        func take(_ count: Int) throws(CacheError) -> Int {
            defer { position += count }
            guard position + count <= bytes.count else { throw Self.malformed }
            return position
        }
        guard let flags = bytes.first, flags & ~Self.knownFlags == 0 else {
            throw Self.malformed
        }
        if flags & Self.stampFlag != 0 { stamp = bytes.bigEndian(at: try take(8)) }
        if flags & Self.slidingFlag != 0 {
            slidingEnd = Timestamp(milliseconds: bytes.bigEndian(at: try take(8)))
        }
        if flags & Self.loadFlag != 0 { loadMilliseconds = bytes.bigEndian(at: try take(4)) }
        if flags & Self.slidingLifeFlag != 0 {
            let life = Duration.milliseconds(bytes.bigEndian(at: try take(8)) as Int64)
            guard life > .zero, life <= CacheConfiguration.maximumTTL else { throw Self.malformed }
            slidingLife = life
        }
        while position < bytes.count { tags.append(TagHash(bytes, at: try take(TagHash.byteCount))) }
        guard tags.count <= Self.maximumTagCount else { throw Self.malformed }
    }

    private static var malformed: CacheError {
        CacheError(
            .decoding, "the entry's attributes are not well formed: a newer version may have written it; write it again"
        )
    }
}

/// A tag as values carry it: the first 16 bytes of its SHA-256, so that long ones cost no more.
struct TagHash: Hashable, Sendable {
    static let byteCount = 16
    let high: UInt64
    let low: UInt64

    init(_ tag: String) throws(CacheError) {
        let digest = try SHA256.digest(Array(tag.utf8))
        (high, low) = digest.withUnsafeBytes { bytes in (bytes.bigEndian(at: 0), bytes.bigEndian(at: 8)) }
    }

    init(_ bytes: UnsafeRawBufferPointer, at position: Int) {
        high = bytes.bigEndian(at: position)
        low = bytes.bigEndian(at: position + 8)
    }

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: high)
        bytes.append(bigEndian: low)
    }
}
