import CacheKitCore

/// An entry as a shard keeps it: at most 64 bytes, so that a hit touches few cache lines, those read first in front.
///
/// A type of its own rather than nested in the generic shard: there its copies would go through run-time metadata.
struct MemorySlot: Sendable {
    let hash: Hash128
    private(set) var bytes: [UInt8]
    private(set) var expiresAt: Timestamp
    private(set) var staleAt: Timestamp
    private var writtenAt: Timestamp
    private(set) var sequence: ChangeSequence
    /// Into the shard's list of forms.
    private var form: UInt16
    private var mode: NamespaceMode
    private var isNegative: Bool
    /// The shard's epoch when it came here: in a later one it is unverified.
    let epoch: UInt32

    /// `nil` when the shard's list of forms is full, which takes more keys of encryption than a process ever sees.
    init?(_ hash: Hash128, _ entry: MemoryEntry, epoch: UInt32, forms: inout [ValueForm]) {
        guard let form = Self.index(of: entry.form, in: &forms) else { return nil }
        self.hash = hash
        self.form = form
        self.epoch = epoch
        bytes = entry.bytes
        expiresAt = entry.expiresAt
        staleAt = entry.staleAt
        writtenAt = entry.writtenAt
        isNegative = entry.isNegative
        sequence = entry.sequence
        mode = entry.mode
    }

    @inline(__always)
    func entry(forms: [ValueForm]) -> MemoryEntry {
        MemoryEntry(
            bytes: bytes, form: forms[Int(form)], mode: mode, expiresAt: expiresAt, staleAt: staleAt,
            writtenAt: writtenAt, isNegative: isNegative, sequence: sequence)
    }

    var charge: Int { MemoryEntry.charge(byteCount: bytes.count) }

    /// Lets its life end at another time.
    mutating func renew(at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp) {
        writtenAt = now
        self.expiresAt = expiresAt
        self.staleAt = staleAt
    }

    /// Lets go of the bytes; the slot waits for its next entry.
    mutating func clear() {
        bytes = []
    }

    private static func index(of form: ValueForm, in forms: inout [ValueForm]) -> UInt16? {
        if let index = forms.firstIndex(of: form) { return UInt16(index) }
        guard forms.count <= Int(UInt16.max) else { return nil }
        forms.append(form)
        return UInt16(forms.count - 1)
    }
}
