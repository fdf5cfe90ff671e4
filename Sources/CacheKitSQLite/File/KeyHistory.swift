internal import CacheKit
internal import CacheKitCore

/// The master keys that the file has met, and what became of each; sealed in `meta`.
///
/// A ring says only which key is current and which ones open. That can't tell a key that is yet to come (decrypt-only on
/// every node, until it is promoted) from one that had its time and was retired: the first gets a wrap, the second must not
/// get one again. So the file remembers. Keys only go forward (protocol section 5): one becomes current once, and stays
/// retired.
struct KeyHistory: Equatable {
    static let name = "key_history"
    /// Twenty years of monthly rotation; beyond it the oldest retired key is forgotten.
    static let maximumCount = 256
    private static let recordByteCount = 37

    struct Record: Equatable {
        /// Names the key's wrap: the fingerprint of its wrapping key.
        let check: [UInt8]
        /// The tenant's key that it derives, as rows name it.
        let fingerprint: KeyFingerprint
        /// 0 while it was never the current key of a ring that opened the file; else the how-manieth to become it.
        var promotion: UInt32 = 0
        var isRetired = false
    }

    private(set) var records: [Record] = []

    /// The key that became current last.
    var newest: Record? { records.filter { $0.promotion > 0 }.max { $0.promotion < $1.promotion } }

    /// The tenant's keys that may seal nothing any more.
    var retired: Set<KeyFingerprint> { Set(records.filter(\.isRetired).map(\.fingerprint)) }

    func record(check: [UInt8]) -> Record? { records.first { $0.check == check } }

    func record(_ fingerprint: KeyFingerprint) -> Record? { records.first { $0.fingerprint == fingerprint } }

    /// Whether the file knows this key and a newer one is current.
    func isSuperseded(_ fingerprint: KeyFingerprint) -> Bool {
        guard record(fingerprint) != nil, let newest else { return false }
        return newest.fingerprint != fingerprint
    }

    /// Notes a key, once.
    mutating func admit(check: [UInt8], _ fingerprint: KeyFingerprint) throws(CacheError) {
        guard record(check: check) == nil else { return }
        if records.count >= Self.maximumCount {
            guard let oldest = records.firstIndex(where: \.isRetired) else {
                throw CacheError(
                    .invalidMasterKey,
                    "the file knows \(records.count) master keys; retire those of the past with 'cachekit keys retire'")
            }
            records.remove(at: oldest)
        }
        records.append(Record(check: check, fingerprint: fingerprint))
    }

    /// Makes a key the newest one, if it never was.
    mutating func promote(check: [UInt8]) {
        let last = newest?.promotion ?? 0
        guard let index = records.firstIndex(where: { $0.check == check && $0.promotion == 0 }) else { return }
        records[index].promotion = last + 1
    }

    mutating func retire(_ fingerprint: KeyFingerprint) {
        for index in records.indices where records[index].fingerprint == fingerprint { records[index].isRetired = true }
    }
}

extension KeyHistory {
    /// 37 bytes a key: check value (16), fingerprint (16), promotion (4), retired (1).
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for record in records {
            bytes += record.check
            bytes += record.fingerprint.bytes
            bytes.append(bigEndian: record.promotion)
            bytes.append(record.isRetired ? 1 : 0)
        }
        return bytes
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count.isMultiple(of: Self.recordByteCount) else { return nil }
        for start in stride(from: 0, to: bytes.count, by: Self.recordByteCount) {
            guard let fingerprint = KeyFingerprint(bytes: bytes[start + 16..<start + 32]) else { return nil }
            records.append(
                Record(
                    check: Array(bytes[start..<start + 16]), fingerprint: fingerprint,
                    promotion: bytes.withUnsafeBytes { $0.bigEndian(at: start + 32) },
                    isRetired: bytes[start + 36] != 0))
        }
    }

    /// The file's history.
    static func read(_ meta: MetaTable, _ keys: FileKeys) throws(CacheError) -> KeyHistory {
        guard let bytes = try meta.sealed(name, keys), let history = KeyHistory(bytes) else {
            throw OpenedFile.incomplete
        }
        return history
    }
}
