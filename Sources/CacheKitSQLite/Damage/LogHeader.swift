internal import CacheKitCore

/// A checksum of SQLite's log, carried from frame to frame.
struct LogSum: Equatable {
    var first: UInt32 = 0
    var second: UInt32 = 0

    init() {}

    /// The checksum that is stored big-endian at an offset.
    init(_ bytes: [UInt8], at offset: Int) {
        first = LogHeader.word(bytes, offset)
        second = LogHeader.word(bytes, offset + 4)
    }

    /// Takes in 8 bytes at a time (https://www.sqlite.org/fileformat2.html#checksum_algorithm).
    mutating func add(_ bytes: ArraySlice<UInt8>, bigEndian: Bool) {
        bytes.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                let one = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                let two = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                first &+= (bigEndian ? one.bigEndian : one.littleEndian) &+ second
                second &+= (bigEndian ? two.bigEndian : two.littleEndian) &+ first
            }
        }
    }
}

/// The 32 bytes at the start of SQLite's log (https://www.sqlite.org/fileformat2.html#walformat).
struct LogHeader {
    static let byteCount = 32

    let pageByteCount: Int
    /// The checksum that the first frame goes on from.
    let sum: LogSum
    private let salts: ArraySlice<UInt8>
    private let isBigEndian: Bool

    var frameByteCount: Int { 24 + pageByteCount }

    /// Reads a header; `nil` if it is not one or its checksum does not fit.
    init?(_ bytes: [UInt8]) {
        let magic = Self.word(bytes, 0)
        var computed = LogSum()
        computed.add(bytes[0..<24], bigEndian: magic & 1 == 1)
        guard magic & ~1 == 0x377F_0682, Self.word(bytes, 4) == 3_007_000, computed == LogSum(bytes, at: 24) else {
            return nil
        }
        self.init(
            pageByteCount: Int(Self.word(bytes, 8)), sum: computed, salts: bytes[16..<24], isBigEndian: magic & 1 == 1)
        guard (512...65_536).contains(pageByteCount) else { return nil }
    }

    private init(pageByteCount: Int, sum: LogSum, salts: ArraySlice<UInt8>, isBigEndian: Bool) {
        self.pageByteCount = pageByteCount
        self.sum = sum
        self.salts = salts
        self.isBigEndian = isBigEndian
    }

    /// What the header of a log was, if its first frame fits what is left of it: it was whole when that was written.
    ///
    /// Whatever was altered, one of its two checksums is still right, the stored one or the one that its fields give.
    static func rebuilt(_ bytes: [UInt8], firstFrame: (_ byteCount: Int) -> [UInt8]?) -> LogHeader? {
        for shift in 9...16 {
            guard let frame = firstFrame(24 + 1 << shift) else { return nil }
            for isBigEndian in [false, true] {
                var computed = LogSum()
                computed.add(bytes[0..<24], bigEndian: isBigEndian)
                for sum in [computed, LogSum(bytes, at: 24)] {
                    let header = LogHeader(
                        pageByteCount: 1 << shift, sum: sum, salts: frame[8..<16], isBigEndian: isBigEndian)
                    if header.sum(sum, frame) == LogSum(frame, at: 16) { return header }
                }
            }
        }
        return nil
    }

    /// Whether a frame belongs to this round of the log: each round changes both salts, so one that fits is enough.
    func owns(_ frame: [UInt8]) -> Bool {
        frame[8..<12].elementsEqual(salts.prefix(4)) || frame[12..<16].elementsEqual(salts.suffix(4))
    }

    /// Whether SQLite takes a frame for one of this round: both salts fit.
    func accepts(_ frame: [UInt8]) -> Bool { frame[8..<16].elementsEqual(salts) }

    /// The checksum after a frame, given the one before it.
    func sum(_ before: LogSum, _ frame: [UInt8]) -> LogSum {
        var sum = before
        sum.add(frame[0..<8], bigEndian: isBigEndian)
        sum.add(frame[24...], bigEndian: isBigEndian)
        return sum
    }

    static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
