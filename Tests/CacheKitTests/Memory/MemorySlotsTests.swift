import CacheKitCore
import Testing

@testable import CacheKit

struct MemorySlotsTests {
    private func filled(_ number: UInt64, count: Int = 3) throws -> MemorySlot {
        var forms: [ValueForm] = []
        let entry = MemoryEntry(
            bytes: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count), form: .plain, mode: .native,
            expiresAt: .zero, staleAt: .zero, writtenAt: .zero, sequence: .zero)
        return try #require(MemorySlot(Hash128(low: number, high: 0), entry, epoch: 0, forms: &forms))
    }

    @Test func `slots keep what they were filled with while their number grows`() throws {
        var slots = MemorySlots()
        for number in 0..<1000 { slots.set(number, to: try filled(UInt64(number))) }
        #expect(slots.count == 1000)
        for number in 0..<1000 {
            let hash = slots[number].hash
            #expect(hash.low == UInt64(number))
            let charge = slots[number].charge
            #expect(charge == MemoryEntry.charge(byteCount: 3))
        }
    }

    @Test func `a slot is filled again, and lets go of its bytes when it is cleared`() throws {
        var slots = MemorySlots()
        slots.set(0, to: try filled(1))
        slots.set(0, to: try filled(2, count: 7))
        #expect(slots.count == 1)
        let replaced = slots[0].entry(forms: [.plain]).bytes
        #expect(replaced == [UInt8](repeating: 2, count: 7))
        slots.clear(0)
        let cleared = slots[0].entry(forms: [.plain]).bytes
        #expect(cleared.isEmpty)
    }

    @Test(arguments: [NamespaceMode.native, .interop], [false, true])
    func `a slot gives back what it was made of`(mode: NamespaceMode, isNegative: Bool) throws {
        var forms: [ValueForm] = [.plain]
        let sealed = ValueForm.sealed(KeyFingerprint(high: 5, low: 6))
        let entry = MemoryEntry(
            bytes: [1, 2, 3], form: sealed, mode: mode, expiresAt: Timestamp(milliseconds: 4),
            staleAt: Timestamp(milliseconds: 3), writtenAt: Timestamp(milliseconds: 2), isNegative: isNegative,
            sequence: ChangeSequence(9))
        let slot = try #require(MemorySlot(Hash128(low: 1, high: 2), entry, epoch: .max, forms: &forms))
        let given = slot.entry(forms: forms)
        #expect(slot.epoch == .max)
        #expect(given.bytes == [1, 2, 3] && given.byteCount == 3 && given.content == entry.content)
        #expect(given.form == sealed && given.mode == mode && given.isNegative == isNegative)
        #expect(given.expiresAt == entry.expiresAt && given.staleAt == entry.staleAt)
        #expect(given.writtenAt == entry.writtenAt && given.sequence == entry.sequence)
    }

    @Test func `bytes are equal by what they are`() {
        let bytes = EntryBytes([1, 2, 3])
        #expect(bytes == bytes && bytes == EntryBytes([1, 2, 3]))
        #expect(bytes != EntryBytes([1, 2, 4]) && bytes != EntryBytes([1, 2]) && bytes != EntryBytes([]))
        #expect(EntryBytes([]) == EntryBytes([]) && EntryBytes([]).count == 0)
        #expect(bytes.lend { Array($0) } == [1, 2, 3] && EntryBytes([]).lend { $0.count } == 0)
    }

    @Test func `a slot fits a line of the processor's cache`() {
        #expect(MemoryLayout<MemorySlot>.stride == 64)
    }
}
