internal import CacheKitCore

/// The named rows of `meta`.
final class MetaTable {
    private let select: PreparedStatement
    private let upsert: PreparedStatement
    private let remove: PreparedStatement

    init(_ connection: SQLiteConnection) throws(CacheError) {
        select = try connection.prepare("SELECT content FROM meta WHERE name = ?1")
        upsert = try connection.prepare(
            "INSERT INTO meta (name, content) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET content = excluded.content"
        )
        remove = try connection.prepare("DELETE FROM meta WHERE name = ?1")
    }

    /// A row as it is; `nil` if there is none.
    func raw(_ name: String) throws(CacheError) -> [UInt8]? {
        defer { select.reset() }
        try select.bind(text: name, at: 1)
        return try select.step() ? select.bytes(0) : nil
    }

    func setRaw(_ name: String, _ content: [UInt8]) throws(CacheError) {
        try upsert.bind(text: name, at: 1)
        try upsert.bind(content, at: 2)
        try upsert.run()
    }

    func delete(_ name: String) throws(CacheError) {
        try remove.bind(text: name, at: 1)
        try remove.run()
    }

    /// A sealed row, opened; `nil` if there is none.
    func sealed(_ name: String, _ keys: FileKeys) throws(CacheError) -> [UInt8]? {
        guard let content = try raw(name) else { return nil }
        do {
            return try keys.openMeta(content, name: name)
        } catch {
            throw CacheError(
                .tamperedStore, "the file's own records do not authenticate: they were altered; restore a backup")
        }
    }

    func setSealed(_ name: String, _ plaintext: [UInt8], _ keys: FileKeys) throws(CacheError) {
        try setRaw(name, keys.sealMeta(plaintext, name: name))
    }

    /// A row that no key protects, with the checksum that tells damage from a wrong key.
    func checked(_ name: String) throws(CacheError) -> [UInt8]? {
        try raw(name).map { content throws(CacheError) in try Self.verify(content) }
    }

    func setChecked(_ name: String, _ content: [UInt8]) throws(CacheError) {
        try setRaw(name, content + Self.checksum(content))
    }

    static func verify(_ content: [UInt8]) throws(CacheError) -> [UInt8] {
        let body = Array(content.dropLast(16))
        guard content.count >= 16, try checksum(body).elementsEqual(content.suffix(16)) else {
            throw CacheError(.damagedStore, "the file's own records are damaged; keep a copy and restore a backup")
        }
        return body
    }

    private static func checksum(_ content: [UInt8]) throws(CacheError) -> ArraySlice<UInt8> {
        try SHA256.digest(content).prefix(16)
    }
}

extension MetaTable {
    /// The file's clock.
    func clock(_ keys: FileKeys) throws(CacheError) -> FileClock {
        guard let bytes = try sealed("clock", keys), let clock = FileClock(bytes) else { throw OpenedFile.incomplete }
        return clock
    }

    /// The watermark.
    func watermark(_ keys: FileKeys) throws(CacheError) -> Watermark {
        guard let bytes = try sealed("watermark", keys), let watermark = Watermark(bytes) else {
            throw OpenedFile.incomplete
        }
        return watermark
    }
}
