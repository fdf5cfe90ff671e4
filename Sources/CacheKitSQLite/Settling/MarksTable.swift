internal import CacheKit
internal import CacheKitCore

/// The table `marks`: what each bucket of the remote has acknowledged, 256 buckets to a row.
///
/// So a settlement rewrites one row where there are 256 buckets, and at most 64 in a Cluster. All rows are of one node and one
/// number of buckets; what belongs to others is forgotten with the first mark that does not fit.
final class MarksTable {
    static let bucketsPerPage = 256
    /// More than any remote has.
    static let maximumBucketCount = 1 << 16

    /// One row.
    struct Page: Equatable {
        static let headerByteCount = 12

        var node: UInt64
        var bucketCount: UInt32
        /// One for each bucket; 0 where nothing is known.
        var sequences: [UInt64]

        /// Node (8), number of buckets (4), then 8 bytes for each bucket of the page.
        var encoded: [UInt8] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(Self.headerByteCount + 8 * sequences.count)
            bytes.append(bigEndian: node)
            bytes.append(bigEndian: bucketCount)
            for sequence in sequences { bytes.append(bigEndian: sequence) }
            return bytes
        }

        func fits(_ node: UInt64, _ bucketCount: Int) -> Bool {
            self.node == node && Int(self.bucketCount) == bucketCount
        }
    }

    private let connection: SQLiteConnection
    private let keys: FileKeys
    private let select: PreparedStatement
    private let upsert: PreparedStatement

    init(_ connection: SQLiteConnection, _ keys: FileKeys) throws(CacheError) {
        self.connection = connection
        self.keys = keys
        select = try connection.prepare("SELECT sealed FROM marks WHERE bucket = ?1")
        upsert = try connection.prepare("INSERT OR REPLACE INTO marks (bucket, sealed) VALUES (?1, ?2)")
    }

    /// Puts marks beside those that are there.
    func merge(_ marks: RemoteMarks, of node: UInt64) throws(CacheError) {
        guard (1...Self.maximumBucketCount).contains(marks.bucketCount),
            marks.sequences.keys.allSatisfy({ (0..<marks.bucketCount).contains($0) })
        else { throw CacheError(.invalidArgument, "a mark is of a bucket that the remote does not have; check it") }
        var changed: [Int64: Page] = [:]
        for (bucket, sequence) in marks.sequences {
            let number = Int64(bucket / Self.bucketsPerPage)
            var page: Page
            if let known = changed[number] {
                page = known
            } else if let kept = try self.page(number), kept.fits(node, marks.bucketCount) {
                page = kept
            } else {
                try forgetOthers(than: node, marks.bucketCount)
                page = Page(
                    node: node, bucketCount: UInt32(marks.bucketCount),
                    sequences: [UInt64](repeating: 0, count: Self.bucketsPerPage))
            }
            // Or the array would be copied for each of its marks.
            changed[number] = nil
            page.sequences[bucket % Self.bucketsPerPage] = sequence
            changed[number] = page
        }
        for (number, page) in changed {
            try upsert.bind(number, at: 1)
            try upsert.run(keys.seal(page.encoded, .marks(page: number)), at: 2)
        }
    }

    private func page(_ number: Int64) throws(CacheError) -> Page? {
        defer { select.reset() }
        try select.bind(number, at: 1)
        return try select.step() ? Self.open(select.bytes(0), number, keys) : nil
    }

    private func forgetOthers(than node: UInt64, _ bucketCount: Int) throws(CacheError) {
        for (number, page) in try Self.pages(connection, keys) where !page.fits(node, bucketCount) {
            let delete = try connection.prepare("DELETE FROM marks WHERE bucket = ?1")
            try delete.bind(number, at: 1)
            try delete.run()
        }
    }

    /// Every mark of a node; `nil` if there is none, or if rows do not belong together.
    static func marks(
        of node: UInt64, _ connection: SQLiteConnection, _ keys: FileKeys
    ) throws(CacheError) -> RemoteMarks? {
        var marks: RemoteMarks?
        for (number, page) in try pages(connection, keys) where page.node == node {
            if marks == nil { marks = RemoteMarks(bucketCount: Int(page.bucketCount)) }
            guard marks?.bucketCount == Int(page.bucketCount) else { return nil }
            for (place, sequence) in page.sequences.enumerated() where sequence != 0 {
                marks?.sequences[Int(number) * bucketsPerPage + place] = sequence
            }
        }
        return marks
    }

    private static func pages(
        _ connection: SQLiteConnection, _ keys: FileKeys
    ) throws(CacheError) -> [(Int64, Page)] {
        let select = try connection.prepare("SELECT bucket, sealed FROM marks ORDER BY bucket")
        var pages: [(Int64, Page)] = []
        while try select.step() {
            pages.append((select.integer(0), try open(select.bytes(1), select.integer(0), keys)))
        }
        return pages
    }

    /// Opens a row that stands under a number.
    static func open(_ sealed: [UInt8], _ number: Int64, _ keys: FileKeys) throws(CacheError) -> Page {
        guard let bytes = try? keys.open(sealed, .marks(page: number)), let page = Page(bytes) else {
            throw RowCodec.tampered
        }
        return page
    }
}

extension MarksTable.Page {
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.headerByteCount + 8 * MarksTable.bucketsPerPage else { return nil }
        self = bytes.withUnsafeBytes { bytes in
            MarksTable.Page(
                node: bytes.bigEndian(at: 0), bucketCount: bytes.bigEndian(at: 8),
                sequences: stride(from: Self.headerByteCount, to: bytes.count, by: 8).map { bytes.bigEndian(at: $0) })
        }
    }
}
