import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A number that differs between a process and every process forked from it, at the price of one load.
///
/// On Linux it lies in a page that the kernel zeroes in a forked child (`MADV_WIPEONFORK`, Linux 4.14), whatever way the
/// fork took. Elsewhere a fork handler zeroes it. Whoever finds zero makes the next generation; the count of generations
/// itself is ordinary memory, so a child counts on from its parent.
enum ForkGeneration {
    private static let latest = Atomic<UInt64>(0)
    // `nonisolated(unsafe)` because of the pointer: set once, never freed, and what it points to is atomic.
    nonisolated(unsafe) private static let word = makeWord()

    /// The generation of this process; never 0.
    static var current: UInt64 {
        let generation = word.pointee.load(ordering: .relaxed)
        return generation != 0 ? generation : advance()
    }

    @inline(never)
    private static func advance() -> UInt64 {
        let next = latest.add(1, ordering: .relaxed).newValue
        // Of several threads in a new child the first one decides.
        let (exchanged, found) = word.pointee.compareExchange(expected: 0, desired: next, ordering: .relaxed)
        return exchanged ? next : found
    }

    private static func makeWord() -> UnsafeMutablePointer<Atomic<UInt64>> {
        #if os(Linux)
            let page = Int(sysconf(Int32(_SC_PAGESIZE)))
            let address = mmap(nil, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if let address, Int(bitPattern: address) != -1 {
                if madvise(address, page, MADV_WIPEONFORK) == 0 {
                    // Zeroed pages are what `Atomic(0)` looks like, in the child too.
                    let word = address.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
                    word.initialize(to: Atomic(0))
                    return word
                }
                munmap(address, page)
            }
        #endif
        let word = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 1)
        word.initialize(to: Atomic(0))
        pthread_atfork(nil, nil) { ForkGeneration.clear() }
        return word
    }

    private static func clear() {
        word.pointee.store(0, ordering: .relaxed)
    }
}
