#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Twelve-byte nonces that never repeat: 8 random bytes, then a 4-byte big-endian counter (protocol section 5).
///
/// The counter starts at a random value and goes on for at most 1,024 nonces; then, and in a forked child, a new prefix is drawn
/// before the next nonce. A value type without locks: each sealing context owns one, and a context has one user at a time.
/// That costs nothing per nonce, and no lock can be left taken in a forked child.
///
/// A lap is cut to 1,024 nonces: a machine restored twice from one snapshot repeats at most the rest of a lap of each
/// context, because the kernel's generator is reseeded by the restore (vmgenid, Linux 5.18). Drawing so often costs under
/// a nanosecond per nonce, and two laps collide with a chance of about 2^-85.
struct NonceSource {
    /// Bytes of a nonce.
    static let byteCount = 12

    private let lapLength: UInt64
    private var prefix: UInt64 = 0
    private var counter: UInt32 = 0
    private var remaining: UInt64 = 0
    private var generation: UInt64 = 0

    /// A source that draws its prefix when it is first used; tests shorten the lap.
    init(lapLength: UInt64 = 1 << 10) {
        precondition((1...1 << 32).contains(lapLength), "a lap of the 4-byte counter has 1 to 2^32 nonces")
        self.lapLength = lapLength
    }

    /// Writes the next nonce; `false` if the operating system gave no random bytes, and then nothing may be sealed.
    mutating func next(into nonce: UnsafeMutableRawPointer, generation current: UInt64 = ForkGeneration.current) -> Bool
    {
        if remaining == 0 || generation != current {
            guard startLap(generation: current) else { return false }
        }
        nonce.storeBytes(of: prefix, as: UInt64.self)
        nonce.storeBytes(of: counter.bigEndian, toByteOffset: 8, as: UInt32.self)
        counter &+= 1
        remaining -= 1
        return true
    }

    // From the operating system directly: OpenSSL's generator takes locks that another thread may have held at a fork.
    private mutating func startLap(generation current: UInt64) -> Bool {
        var seed: (prefix: UInt64, counter: UInt32) = (0, 0)
        guard getentropy(&seed.prefix, 8) == 0, getentropy(&seed.counter, 4) == 0 else { return false }
        prefix = seed.prefix
        counter = seed.counter
        remaining = lapLength
        generation = current
        return true
    }
}
