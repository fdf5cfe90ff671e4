internal import CacheKit
internal import CacheKitCore

/// The three keys of one file, drawn when it was created: for key hashes, metadata, and plain values.
///
/// Associated data: format version (1), purpose (1), database id (16), then what the purpose needs.
final class FileKeys: Sendable {
    static let formatVersion: UInt8 = 1
    /// Index, metadata and value key, 32 bytes each.
    static let byteCount = 96

    /// What a seal is for; the two row tables have the numbers 1 and 2, each ``SealedRecord`` one of its own.
    private enum Purpose: UInt8 {
        case meta = 0x40
        case value = 0x80
    }

    private let index: MessageAuthenticator
    private let metadata: SealingKey
    /// `nil` where the file was opened with a relay key.
    private let value: SealingKey?
    private let databaseID: [UInt8]

    /// Whether plain values open.
    var opensValues: Bool { value != nil }

    /// Takes the 96 bytes that a wrap holds, or the first 64 of them.
    init(_ secret: SecretBytes, databaseID: [UInt8]) throws(CacheError) {
        func part(_ number: Int) throws(CacheError) -> SecretBytes {
            try secret.withBytes { bytes throws(CacheError) in
                try SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[number * 32..<number * 32 + 32]))
            }
        }
        index = try MessageAuthenticator(part(0))
        metadata = try SealingKey(part(1))
        value = secret.count == RelayKey.secretByteCount ? nil : try SealingKey(part(2))
        self.databaseID = databaseID
    }

    /// HMAC-SHA256 of a key's name, 32 bytes.
    func hash(_ key: String) throws(CacheError) -> [UInt8] {
        try index.authenticate(key)
    }

    func sealMetadata(_ plaintext: [UInt8], table: RowTable, hash: [UInt8]) throws(CacheError) -> [UInt8] {
        try metadata.seal(plaintext, associatedData: associatedData(table.rawValue, hash))
    }

    /// Opens a row's metadata on the stack and lends it to the body.
    func withOpenedMetadata<Output>(
        _ sealed: UnsafeRawBufferPointer, table: RowTable, hash: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) -> Output?
    ) throws(CacheError) -> Output? {
        let count = sealed.count - SealingKey.overhead
        guard (0...RowMetadata.maximumByteCount).contains(count) else { return nil }
        return try withAssociatedData(table.rawValue, hash: hash) { associatedData throws(CacheError) in
            try withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { plaintext throws(CacheError) in
                try metadata.open(sealed, associatedData: associatedData, into: plaintext)
                return body(UnsafeRawBufferPointer(plaintext))
            }
        }
    }

    func sealValue(_ plaintext: [UInt8], hash: [UInt8], version: Version) throws(CacheError) -> [UInt8] {
        try valueKey().seal(plaintext, associatedData: associatedData(Purpose.value.rawValue, hash + version.bytes))
    }

    func openValue(
        _ sealed: UnsafeRawBufferPointer, hash: UnsafeRawBufferPointer, version: Version
    ) throws(CacheError) -> [UInt8] {
        try withAssociatedData(Purpose.value.rawValue, hash: hash, version: version) { bytes throws(CacheError) in
            try valueKey().open(sealed, associatedData: bytes)
        }
    }

    /// - Throws: `missingMasterKey` where there is only a relay key.
    func valueKey() throws(CacheError) -> SealingKey {
        guard let value else { throw .relayKeyOpensNothing() }
        return value
    }

    /// Seals a row of `meta` to its name.
    func sealMeta(_ plaintext: [UInt8], name: String) throws(CacheError) -> [UInt8] {
        try metadata.seal(plaintext, associatedData: associatedData(Purpose.meta.rawValue, Array(name.utf8)))
    }

    func openMeta(_ sealed: [UInt8], name: String) throws(CacheError) -> [UInt8] {
        try metadata.open(sealed, associatedData: associatedData(Purpose.meta.rawValue, Array(name.utf8)))
    }

    /// Seals a record of a table beside those of rows.
    func seal(_ plaintext: [UInt8], _ record: SealedRecord) throws(CacheError) -> [UInt8] {
        try metadata.seal(plaintext, associatedData: associatedData(record.purpose, record.suffix))
    }

    /// Opens what ``seal(_:_:)`` sealed.
    func open(_ sealed: [UInt8], _ record: SealedRecord) throws(CacheError) -> [UInt8] {
        try metadata.open(sealed, associatedData: associatedData(record.purpose, record.suffix))
    }

    /// The same bytes as ``associatedData(_:_:)`` gives for a row, on the stack: every read needs them.
    private func withAssociatedData<Output>(
        _ purpose: UInt8, hash: UnsafeRawBufferPointer, version: Version? = nil,
        _ body: (UnsafeRawBufferPointer) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        let hashEnd = 18 + MessageAuthenticator.byteCount
        guard hash.count == MessageAuthenticator.byteCount, databaseID.count == 16 else { throw RowCodec.tampered }
        let count = version == nil ? hashEnd : hashEnd + 16
        return try withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { buffer throws(CacheError) in
            buffer[0] = Self.formatVersion
            buffer[1] = purpose
            UnsafeMutableRawBufferPointer(rebasing: buffer[2..<18]).copyBytes(from: databaseID)
            UnsafeMutableRawBufferPointer(rebasing: buffer[18..<hashEnd]).copyMemory(from: hash)
            if let version {
                buffer.storeBytes(of: version.stamp.bigEndian, toByteOffset: hashEnd, as: UInt64.self)
                buffer.storeBytes(of: version.node.bigEndian, toByteOffset: hashEnd + 8, as: UInt64.self)
            }
            return try body(UnsafeRawBufferPointer(buffer))
        }
    }

    private func associatedData(_ purpose: UInt8, _ suffix: [UInt8]) -> [UInt8] {
        [Self.formatVersion, purpose] + databaseID + suffix
    }
}
