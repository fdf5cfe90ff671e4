internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// A few readers, each behind its own lock, so that tasks on several threads read at the same time.
final class ReadPool: Sendable {
    private final class Slot: Sendable {
        let reader: Mutex<Reader?>

        init(_ file: OpenedFile) throws(CacheError) {
            reader = Mutex(try Reader(file))
        }
    }

    private let slots: [Slot]
    private let turn = Atomic<Int>(0)

    init(_ file: OpenedFile) throws(CacheError) {
        var slots: [Slot] = []
        for _ in 0..<file.configuration.readerCount { slots.append(try Slot(file)) }
        self.slots = slots
    }

    /// Uses a reader that is free, or waits for one: reads are microseconds long.
    func withReader<Output: Sendable>(
        _ body: (Reader) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        for slot in slots {
            let result = slot.reader.withLockIfAvailable { reader in Self.attempt(reader, body) }
            if let result { return try result.get() }
        }
        let number = turn.wrappingAdd(1, ordering: .relaxed).newValue
        let slot = slots[Int(UInt(bitPattern: number) % UInt(slots.count))]
        return try slot.reader.withLock { reader in Self.attempt(reader, body) }.get()
    }

    private static func attempt<Output: Sendable>(
        _ reader: Reader?, _ body: (Reader) throws(CacheError) -> Output
    ) -> Result<Output, CacheError> {
        guard let reader else { return .failure(CacheError(.shutdown, "the store is closed; open it again")) }
        do throws(CacheError) {
            return .success(try body(reader))
        } catch {
            return .failure(error)
        }
    }

    func close() {
        for slot in slots { slot.reader.withLock { $0 = nil } }
    }
}
