#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file of a relay key, 117 bytes: `CKrk`, layout (1), database id (16), index key (32), metadata key (32), SHA-256 of all
/// of that (32).
extension RelayKey {
    /// The length of the file.
    public static let fileByteCount = 117
    private static let magic = Array("CKrk".utf8)
    private static let layout: UInt8 = 1
    private static let secretStart = 21
    private static let digestStart = secretStart + secretByteCount
    private static let remedy = "make one with `cachekit keys export --relay`"

    /// Reads the file of a relay key.
    ///
    /// - Throws: ``CacheError/Code/missingMasterKey`` when there is no such file, ``CacheError/Code/invalidConfiguration``
    ///   when others than its owner may read it (`chmod 600`), or it is no regular file,
    ///   ``CacheError/Code/inputOutput`` when it can't be read, ``CacheError/Code/invalidMasterKey`` when it holds no relay
    ///   key or is damaged, ``CacheError/Code/newerFormat`` for a layout of a later version.
    public init(file path: String) throws(CacheError) {
        var count = 0
        // One more, or a file that goes on would pass for a whole one.
        let content = try SecretBytes(count: Self.fileByteCount + 1) { storage throws(CacheError) in
            count = try KeyFile.read(path, "relay key file", remedy: Self.remedy, into: storage)
        }
        let found = count
        self = try content.withBytes { bytes throws(CacheError) in
            try Self(content: UnsafeRawBufferPointer(rebasing: bytes[..<found]))
        }
    }

    private init(content: UnsafeRawBufferPointer) throws(CacheError) {
        guard content.count > Self.magic.count, content.prefix(Self.magic.count).elementsEqual(Self.magic) else {
            throw CacheError(.invalidMasterKey, "the relay key file holds no relay key; \(Self.remedy)")
        }
        guard content[Self.magic.count] == Self.layout else {
            throw CacheError(.newerFormat, "the relay key file needs a newer version; upgrade CacheKit")
        }
        guard content.count == Self.fileByteCount,
            try SHA256.digest(UnsafeRawBufferPointer(rebasing: content[..<Self.digestStart]))
                .elementsEqual(content[Self.digestStart...])
        else { throw CacheError(.invalidMasterKey, "the relay key file is damaged; \(Self.remedy)") }
        let secret = UnsafeRawBufferPointer(rebasing: content[Self.secretStart..<Self.digestStart])
        try self.init(
            databaseID: Array(content[Self.magic.count + 1..<Self.secretStart]), secret: SecretBytes(copying: secret))
    }

    /// Writes the key into a new file that only its owner may touch, and syncs it. Leaves nothing where that fails.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` where something has that name, ``CacheError/Code/inputOutput``.
    public func write(to path: String) throws(CacheError) {
        let content = try content()
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            guard errno == EEXIST else { throw KeyFile.failure("the relay key file can't be made") }
            throw CacheError(
                .invalidArgument, "something has this name already, and a relay key replaces nothing; choose another")
        }
        var isWhole = false
        defer {
            close(descriptor)
            if !isWhole { unlink(path) }
        }
        // The process's umask can only have taken bits away.
        guard fchmod(descriptor, 0o600) == 0 else { throw KeyFile.failure("the relay key file's mode can't be set") }
        try content.withBytes { bytes throws(CacheError) in try Self.write(bytes, to: descriptor) }
        guard fsync(descriptor) == 0 else { throw KeyFile.failure("the relay key file can't be synced") }
        isWhole = true
    }

    private func content() throws(CacheError) -> SecretBytes {
        try SecretBytes(count: Self.fileByteCount) { storage throws(CacheError) in
            let head = Self.magic + [Self.layout] + databaseID
            storage.copyBytes(from: head)
            secret.withBytes { secret in
                UnsafeMutableRawBufferPointer(rebasing: storage[Self.secretStart..<Self.digestStart])
                    .copyMemory(from: secret)
            }
            let digest = try SHA256.digest(UnsafeRawBufferPointer(rebasing: storage[..<Self.digestStart]))
            UnsafeMutableRawBufferPointer(rebasing: storage[Self.digestStart...]).copyBytes(from: digest)
        }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(CacheError) {
        var rest = bytes
        while !rest.isEmpty {
            #if canImport(Glibc)
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            #elseif canImport(Musl)
                let count = Musl.write(descriptor, rest.baseAddress, rest.count)
            #else
                let count = Darwin.write(descriptor, rest.baseAddress, rest.count)
            #endif
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw KeyFile.failure("the relay key file can't be written") }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
