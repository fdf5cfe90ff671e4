/// What opens the index and the metadata of one local file, and no value: for whoever only carries its changes to a remote.
///
/// Of a file's three keys (see `docs/file-format.md`) it has the index key and the metadata key, for as long as the file
/// lives: rotating a master key changes neither, and nothing takes a relay key back.
public struct RelayKey: Sendable {
    /// Index and metadata key, 32 bytes each.
    package static let secretByteCount = 64
    package static let databaseIDByteCount = 16

    /// The file that it was made for.
    package let databaseID: [UInt8]
    package let secret: SecretBytes

    /// Takes the first two keys of a file.
    package init(databaseID: [UInt8], secret: SecretBytes) throws(CacheError) {
        guard databaseID.count == Self.databaseIDByteCount, secret.count == Self.secretByteCount else {
            throw CacheError(.internalFault, "a relay key was made of other parts than it has; please report this")
        }
        self.databaseID = databaseID
        self.secret = secret
    }
}

extension RelayKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "RelayKey" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension CacheError {
    /// Something needs a value opened or sealed, and there is only a relay key.
    package static func relayKeyOpensNothing(file: String = #fileID, line: Int = #line) -> CacheError {
        CacheError(
            .missingMasterKey,
            "a relay key opens and makes no value, it only sends, lists and reports; give the master key instead",
            file: file, line: line)
    }
}
