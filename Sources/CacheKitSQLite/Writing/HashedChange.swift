internal import CacheKit
internal import CacheKitCore

/// A change with what the file needs to know of it alone.
///
/// Made by whoever hands the change in: all callers share one writer thread, and hash beside it.
struct HashedChange: Sendable {
    let change: LocalChange
    let hash: KeyHash
    /// Digest of a value under the tenant's key, fingerprint of a plain one; 0 for a tombstone.
    let digest: UInt128
    /// Fingerprint of the value as the remote holds it; 0 for a tombstone.
    let fingerprint: UInt128

    init(_ change: LocalChange, _ codec: RowCodec) throws(CacheError) {
        self.change = change
        hash = try codec.hash(change.key)
        guard let value = change.value else {
            digest = 0
            fingerprint = 0
            return
        }
        fingerprint = try ValueFingerprint(of: value, form: change.form).number
        if case .sealed = change.form { digest = try RowMetadata.digest(of: value) } else { digest = fingerprint }
    }

    private init(_ change: LocalChange, _ hash: KeyHash) {
        self.change = change
        self.hash = hash
        digest = 0
        fingerprint = 0
    }

    /// The same without its value: where that can't be kept, it is read from the remote.
    var withoutValue: HashedChange {
        var change = change
        change.value = nil
        change.form = .plain
        return HashedChange(change, hash)
    }
}
