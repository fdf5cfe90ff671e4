internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// A few readers, each behind its own lock, so that tasks on several threads read at the same time.
final class ReadPool: Sendable {
    private final class Slot: Sendable {
        struct State {
            var reader: Reader?
            /// The reader's count of reads when its rest was last looked for.
            var lastUses: UInt64 = 0
        }

        let state: Mutex<State>

        init(_ file: OpenedFile) throws(CacheError) {
            state = Mutex(State(reader: try Reader(file)))
        }

        /// Ends a snapshot that was not used since the last call; `true` if one is still kept.
        func endIdleSnapshot() -> Bool {
            state.withLockIfAvailable { state in
                guard let reader = state.reader, reader.snapshot.isHeld else { return false }
                guard reader.snapshot.uses == state.lastUses else {
                    state.lastUses = reader.snapshot.uses
                    return true
                }
                reader.snapshot.release()
                return false
            } ?? true
        }
    }

    private let slots: [Slot]
    private let turn = Atomic<Int>(0)
    private let idleSnapshots: IdleSnapshots

    init(_ file: OpenedFile) throws(CacheError) {
        var slots: [Slot] = []
        for _ in 0..<file.configuration.readerCount { slots.append(try Slot(file)) }
        let watch = IdleSnapshots.watch { [slots] in
            // Every one of them, also after the first that is kept.
            slots.reduce(false) { $1.endIdleSnapshot() || $0 }
        }
        guard let watch else { throw SystemThread.unavailable }
        self.slots = slots
        idleSnapshots = watch
    }

    /// Uses a reader that is free, or waits for one: reads are microseconds long.
    func withReader<Output: Sendable>(
        _ body: (Reader) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        for slot in slots {
            let result = slot.state.withLockIfAvailable { state in attempt(state.reader, body) }
            if let result { return try result.get() }
        }
        let number = turn.wrappingAdd(1, ordering: .relaxed).newValue
        let slot = slots[Int(UInt(bitPattern: number) % UInt(slots.count))]
        return try slot.state.withLock { state in attempt(state.reader, body) }.get()
    }

    private func attempt<Output: Sendable>(
        _ reader: Reader?, _ body: (Reader) throws(CacheError) -> Output
    ) -> Result<Output, CacheError> {
        do throws(CacheError) {
            guard let reader else { throw Self.closed }
            let output = try reader.read(body)
            if reader.snapshot.isHeld { idleSnapshots.noteKept() }
            return .success(output)
        } catch {
            return .failure(error)
        }
    }

    /// Ends every snapshot that no read is using right now, so that the log can be moved whole and begin anew.
    func endSnapshots() {
        for slot in slots { slot.state.withLockIfAvailable { state in state.reader?.snapshot.release() } }
    }

    /// Throws once the pool is closed.
    func requireOpen() throws(CacheError) {
        guard let slot = slots.first, slot.state.withLock({ $0.reader != nil }) else { throw Self.closed }
    }

    func close() {
        idleSnapshots.close()
        for slot in slots { slot.state.withLock { $0.reader = nil } }
    }

    static var closed: CacheError { CacheError(.shutdown, "the store is closed; open it again") }
}
