import CacheKitCore

/// An entry as a shard keeps it: at most 64 bytes, so that a hit touches few cache lines, those read first in front.
///
/// A type of its own rather than nested in the generic shard: there its copies would go through run-time metadata.
struct MemorySlot: Sendable {
    let hash: Hash128
    private(set) var content: EntryBytes
    /// The shard's epoch when it came here: in a later one it is unverified.
    let epoch: UInt16
    /// An index into the shard's list of forms, and two flags.
    private let formAndFlags: UInt16
    private(set) var expiresAt: Timestamp
    private(set) var staleAt: Timestamp
    private var writtenAt: Timestamp
    let sequence: ChangeSequence

    private static let negativeFlag: UInt16 = 1 << 15
    private static let interopFlag: UInt16 = 1 << 14

    /// `nil` when the shard's list of forms is full, which takes more keys of encryption than a process ever sees.
    init?(_ hash: Hash128, _ entry: MemoryEntry, epoch: UInt16, forms: inout [ValueForm]) {
        guard let form = Self.index(of: entry.form, in: &forms) else { return nil }
        self.hash = hash
        formAndFlags =
            form | (entry.isNegative ? Self.negativeFlag : 0) | (entry.mode == .interop ? Self.interopFlag : 0)
        self.epoch = epoch
        content = entry.content
        expiresAt = entry.expiresAt
        staleAt = entry.staleAt
        writtenAt = entry.writtenAt
        sequence = entry.sequence
    }

    @inline(__always)
    func entry(forms: [ValueForm]) -> MemoryEntry {
        MemoryEntry(
            content: content, form: forms[Int(formAndFlags & (Self.interopFlag - 1))],
            mode: formAndFlags & Self.interopFlag == 0 ? .native : .interop, expiresAt: expiresAt, staleAt: staleAt,
            writtenAt: writtenAt, isNegative: formAndFlags & Self.negativeFlag != 0, sequence: sequence)
    }

    var charge: Int { MemoryEntry.charge(byteCount: content.count) }

    /// Lets its life end at another time.
    mutating func renew(at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp) {
        writtenAt = now
        self.expiresAt = expiresAt
        self.staleAt = staleAt
    }

    /// Lets go of the bytes; the slot waits for its next entry.
    mutating func clear() {
        content = EntryBytes([])
    }

    private static func index(of form: ValueForm, in forms: inout [ValueForm]) -> UInt16? {
        if let index = forms.firstIndex(of: form) { return UInt16(index) }
        guard forms.count < Int(interopFlag) else { return nil }
        forms.append(form)
        return UInt16(forms.count - 1)
    }
}
