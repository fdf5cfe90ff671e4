import CacheKitCore

/// An entry as a shard keeps it: at most 64 bytes, so that a hit touches few cache lines, those read first in front.
///
/// A type of its own rather than nested in the generic shard: there its copies would go through run-time metadata.
struct MemorySlot: Sendable {
    let hash: Hash128
    private(set) var content: EntryBytes
    /// The shard's epoch when it came here: in a later one it is unverified.
    let epoch: UInt16
    /// An index into the shard's list of forms, and flags.
    private var formAndFlags: UInt16
    private(set) var expiresAt: Timestamp
    private(set) var staleAt: Timestamp
    private var writtenAt: Timestamp
    let sequence: ChangeSequence

    private static let negativeFlag: UInt16 = 1 << 15
    private static let interopFlag: UInt16 = 1 << 14
    private static let unknownTimeFlag: UInt16 = 1 << 13
    private static let doubtFlag: UInt16 = 1 << 12
    private static let formMask: UInt16 = doubtFlag - 1

    /// `nil` when the shard's list of forms is full, which takes more keys of encryption than a process ever sees.
    init?(_ hash: Hash128, _ entry: MemoryEntry, epoch: UInt16, forms: inout [ValueForm]) {
        guard let form = Self.index(of: entry.form, in: &forms) else { return nil }
        self.hash = hash
        formAndFlags =
            form | (entry.isNegative ? Self.negativeFlag : 0) | (entry.mode == .interop ? Self.interopFlag : 0)
            | (entry.isWriteTimeKnown ? 0 : Self.unknownTimeFlag)
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
            content: content, form: forms[Int(formAndFlags & Self.formMask)],
            mode: formAndFlags & Self.interopFlag == 0 ? .native : .interop, expiresAt: expiresAt, staleAt: staleAt,
            writtenAt: writtenAt, isWriteTimeKnown: formAndFlags & Self.unknownTimeFlag == 0,
            isNegative: formAndFlags & Self.negativeFlag != 0, sequence: sequence)
    }

    var charge: Int { MemoryEntry.charge(byteCount: content.count) }

    /// Lets its life end at another time.
    mutating func renew(at now: Timestamp, staleAt: Timestamp, expiresAt: Timestamp) {
        writtenAt = now
        formAndFlags &= ~Self.unknownTimeFlag
        self.expiresAt = expiresAt
        self.staleAt = staleAt
    }

    /// Whether something was heard that may mean no more than that its life has ended in the remote, too.
    var isDoubted: Bool {
        get { formAndFlags & Self.doubtFlag != 0 }
        set { formAndFlags = newValue ? formAndFlags | Self.doubtFlag : formAndFlags & ~Self.doubtFlag }
    }

    /// Whether it is kept for its stale windows alone; a thousandth of its life sooner and at most a second, as far as clocks that run
    /// by themselves drift apart.
    func isPastItsLife(at now: Timestamp) -> Bool {
        guard expiresAt > now, expiresAt > staleAt, formAndFlags & Self.negativeFlag == 0 else { return false }
        return now.duration(to: staleAt) <= min(writtenAt.duration(to: staleAt) / 1_000, .seconds(1))
    }

    /// What is heard of it may be that its life has ended in the remote.
    mutating func doubt(at now: Timestamp) {
        isDoubted = true
        staleAt = min(staleAt, now)
    }

    /// Lets go of the bytes; the slot waits for its next entry.
    mutating func clear() {
        content = EntryBytes([])
    }

    private static func index(of form: ValueForm, in forms: inout [ValueForm]) -> UInt16? {
        if let index = forms.firstIndex(of: form) { return UInt16(index) }
        guard forms.count <= Int(formMask) else { return nil }
        forms.append(form)
        return UInt16(forms.count - 1)
    }
}
