import CacheKitCore

/// Remembers keys that were evicted, a 32-bit fingerprint each, for about as many evictions as entries are held.
///
/// Buckets of eight ghosts, a line of the processor's cache: whoever comes into a full bucket takes the place of its oldest.
/// There are 1.25 to 1.5 places per entry held, 8 bytes each. A key that was never evicted is taken for one that was with a
/// chance of 8 in 2^32, which costs an entry a better place than it deserves.
struct GhostTable: Sendable {
    enum Queue { case probation, main }

    struct Ghost {
        var queue: Queue
        /// How many entries of the same queue were evicted since.
        var age: Int
    }

    private static let width = 8

    /// Fingerprint above, then one bit for the queue, then 31 bits of its clock; 0 is an empty place.
    private var places: [UInt64] = []
    private var bucketCount: UInt64 = 0
    private var clocks: (probation: UInt32, main: UInt32) = (0, 0)

    /// Remembers a key that is evicted while so many entries are held.
    mutating func remember(_ hash: Hash128, _ queue: Queue, held: Int) {
        if places.count * 4 < held * 5 { resize(toHold: held * 3 / 2, held: held) }
        place(UInt64(fingerprint(hash)) << 32 | UInt64(tick(queue)), held: held)
    }

    /// What is remembered of a key; forgets it.
    mutating func take(_ hash: Hash128) -> Ghost? {
        let fingerprint = UInt64(fingerprint(hash))
        for index in bucket(fingerprint) where places[index] >> 32 == fingerprint && places[index] != 0 {
            let ghost = Ghost(queue: queue(places[index]), age: age(places[index]))
            places[index] = 0
            return ghost
        }
        return nil
    }

    private func fingerprint(_ hash: Hash128) -> UInt32 { UInt32(truncatingIfNeeded: hash.low) }

    private func bucket(_ fingerprint: UInt64) -> Range<Int> {
        let start = Int((fingerprint * bucketCount) >> 32) * Self.width
        return start..<min(start + Self.width, places.count)
    }

    /// The stamp of a ghost that comes now.
    private mutating func tick(_ queue: Queue) -> UInt32 {
        switch queue {
        case .probation:
            clocks.probation = (clocks.probation + 1) & 0x7FFF_FFFF
            return clocks.probation
        case .main:
            clocks.main = (clocks.main + 1) & 0x7FFF_FFFF
            return clocks.main | 0x8000_0000
        }
    }

    private func queue(_ place: UInt64) -> Queue { place & 0x8000_0000 == 0 ? .probation : .main }

    private func age(_ place: UInt64) -> Int {
        let clock = queue(place) == .probation ? clocks.probation : clocks.main
        return Int((clock &- UInt32(truncatingIfNeeded: place)) & 0x7FFF_FFFF)
    }

    private mutating func place(_ ghost: UInt64, held: Int) {
        var chosen: Int?
        var highest = -1
        for index in bucket(ghost >> 32) {
            guard places[index] != 0, places[index] >> 32 != ghost >> 32 else {
                chosen = index
                break
            }
            // Of the main queue only the youngest tenth is ever asked for.
            let rank = age(places[index]) * (queue(places[index]) == .main ? 10 : 1)
            if rank > highest { (chosen, highest) = (index, rank) }
        }
        if let chosen { places[chosen] = ghost }
    }

    private mutating func resize(toHold count: Int, held: Int) {
        let old = places
        bucketCount = UInt64((count + Self.width - 1) / Self.width)
        places = [UInt64](repeating: 0, count: Int(bucketCount) * Self.width)
        for ghost in old where ghost != 0 { place(ghost, held: held) }
    }
}
