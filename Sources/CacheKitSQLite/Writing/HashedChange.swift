internal import CacheKit
internal import CacheKitCore

/// A change with what the file needs to know of it alone.
///
/// Made by whoever hands the change in: all callers share one writer thread, and hash beside it.
struct HashedChange: Sendable {
    let change: LocalChange
    let hash: KeyHash
    /// Digest of a value under the tenant's key; 0 for any other.
    let digest: UInt128

    init(_ change: LocalChange, _ codec: RowCodec) throws(CacheError) {
        self.change = change
        hash = try codec.hash(change.key)
        guard case .sealed = change.form, let value = change.value else {
            digest = 0
            return
        }
        digest = try RowMetadata.digest(of: value)
    }
}
