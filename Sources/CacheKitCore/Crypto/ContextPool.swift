import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Keyed OpenSSL contexts that wait for their next use; the pool's owner makes and frees them.
///
/// Why not one context per thread: such contexts would outlive their key, and a thread would need a table of them. Here
/// they live and are cleansed with the key. Taking and putting back are one atomic exchange each, without a lock that a
/// fork could leave taken; a thread begins at a slot of its own, so that threads seldom meet and a context stays in its
/// core's cache. With more users at a time than slots, the surplus contexts are made and freed per use.
final class ContextPool: @unchecked Sendable {
    // @unchecked because of the pointer: fixed for the pool's life, and the slots are atomic.
    private let slots: UnsafeMutablePointer<Slot>

    /// Contexts that can wait at a time; a power of two.
    static let slotCount = 32

    // One slot per cache line: neighbours would slow each other down.
    private struct Slot: ~Copyable {
        let context = Atomic<UnsafeMutableRawPointer?>(nil)
        private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
    }

    init() {
        slots = .allocate(capacity: Self.slotCount)
        for index in 0..<Self.slotCount { (slots + index).initialize(to: Slot()) }
    }

    deinit {
        slots.deinitialize(count: Self.slotCount)
        slots.deallocate()
    }

    /// A context that is the caller's alone until it is put back; `nil` if none waits.
    func take() -> UnsafeMutableRawPointer? {
        let first = Self.preferredSlot()
        for step in 0..<Self.slotCount {
            let slot = slots + (first &+ step) % Self.slotCount
            guard slot.pointee.context.load(ordering: .relaxed) != nil else { continue }
            if let context = slot.pointee.context.exchange(nil, ordering: .acquiring) { return context }
        }
        return nil
    }

    /// Gives a context back; `false` if every slot is full, and then the caller frees it.
    func put(_ context: UnsafeMutableRawPointer) -> Bool {
        let first = Self.preferredSlot()
        for step in 0..<Self.slotCount {
            let slot = slots + (first &+ step) % Self.slotCount
            if slot.pointee.context.compareExchange(expected: nil, desired: context, ordering: .releasing).exchanged {
                return true
            }
        }
        return false
    }

    // Fibonacci hashing of the thread's address: stacks lie at multiples of large powers of two.
    private static func preferredSlot() -> Int {
        #if canImport(Darwin)
            let thread = UInt64(UInt(bitPattern: pthread_self()))
        #else
            let thread = UInt64(pthread_self())
        #endif
        return Int(truncatingIfNeeded: (thread &* 0x9E37_79B9_7F4A_7C15) >> 59)
    }
}
