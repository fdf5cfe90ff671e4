import CFaultVFS
import Foundation
import Testing

/// A VFS of a test's own, under which calls fail or the power is cut.
///
/// `@unchecked Sendable` because every function of the VFS takes its own lock.
final class FaultVFS: @unchecked Sendable {
    let name = "fault-" + UUID().uuidString
    private let vfs: OpaquePointer

    init() throws {
        vfs = try #require(ck_fault_vfs_new(name))
    }

    /// Every store on it is closed by now.
    deinit { ck_fault_vfs_free(vfs) }

    /// Writes, syncs, truncations, deletions and files created so far.
    var changes: Int { Int(ck_fault_vfs_changes(vfs)) }

    func calls(_ kind: ck_fault_kind) -> Int { Int(ck_fault_vfs_calls(vfs, kind)) }

    /// Fails the n-th call of a kind from now on, or that and all later ones until ``clear()``.
    func fail(_ kind: ck_fault_kind, at ordinal: Int, _ result: Int32, persists: Bool = false) {
        ck_fault_vfs_fail(vfs, kind, UInt64(ordinal), result, persists ? 1 : 0)
    }

    func clear() { ck_fault_vfs_clear(vfs) }

    /// Calls that were failed since the last ``fail(_:at:_:persists:)``.
    var failures: Int { Int(ck_fault_vfs_failures(vfs)) }

    /// Cuts the power at the n-th change from now on.
    func cutPower(at ordinal: Int) { ck_fault_vfs_cut_at(vfs, UInt64(ordinal)) }

    var isCut: Bool { ck_fault_vfs_is_cut(vfs) != 0 }

    /// Leaves the files as the cut may have, once every store is closed; without a cut before, one comes now.
    func restorePower(seed: UInt64) throws {
        try #require(ck_fault_vfs_rebuild(vfs, seed) == 0)
    }
}
