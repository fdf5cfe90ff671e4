import CacheKitCore

/// Two queues in order of arrival, a memory of what left them, and a border between them that moves.
///
/// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023) with two changes. Newcomers wait in a
/// small queue on probation; whoever was read twice there goes to the main queue, whose oldest entry is let around once more
/// for each read; who comes back soon after it was evicted from probation goes to the main queue at once.
///
/// - The border adapts, as in ARC (Megiddo and Modha, FAST 2003): a key that comes back just after leaving probation says
///   that probation should be larger by twice its weight, one that comes back just after leaving the main queue says the contrary.
///   So scans and loops find a small probation, and a working set that moves on finds a large one.
/// - Who comes back takes a place of the main queue only from an entry that was not read: one entry is looked at. Else it
///   waits on probation again. LIRS (Jiang and Zhang, SIGMETRICS 2002) keeps a loop larger than the cache by the same rule:
///   coming back is not enough, it must be sooner than for what is there.
///
/// A read counts up to two in a byte of the slot and moves nothing. Decision 0032 has the measurements.
struct AdaptiveOrder: EvictionOrder, ~Copyable {
    private var touches = TouchCounts()
    private var slots: [QueuedSlot] = []
    private var probation = SlotQueue()
    private var main = SlotQueue()
    private var ghosts = GhostTable()
    /// Bytes that probation should have.
    private var probationBytes: Int
    private let probationBounds: ClosedRange<Int>
    /// Where the newcomer goes.
    private var goesToMain = false
    /// The newcomer may not take a place of the main queue.
    private var sparesMain = false

    init(maximumBytes: Int) {
        probationBounds = maximumBytes / 100...max(maximumBytes / 100, maximumBytes / 10 * 8)
        probationBytes = probationBounds.lowerBound
    }

    mutating func expect(_ hash: Hash128, weight: Int, isFull: Bool) {
        sparesMain = false
        goesToMain = !isFull && probation.bytes >= probationBytes
        guard let ghost = ghosts.take(hash) else { return }
        let isRecent = ghost.age <= max(1, held / 10)
        switch ghost.queue {
        case .main:
            if isRecent { moveBorder(by: -2 * weight) }
        case .probation:
            if isRecent { moveBorder(by: 2 * weight) }
            guard ghost.age <= held else { return }
            goesToMain = !isFull || isProbationOver || oldestOfMainIsUnread()
            sparesMain = !goesToMain
        }
    }

    mutating func inserted(_ slot: Int, weight: Int) {
        let place = QueuedSlot(weight: weight, isInMain: goesToMain)
        // Slots are numbered densely.
        if slot == slots.count { slots.append(place) } else { slots[slot] = place }
        touches.set(slot, to: 0)
        append(slot)
        sparesMain = false
    }

    @inline(__always)
    func touched(_ slot: Int) { touches.touch(slot) }

    mutating func lifted(_ slot: Int) {
        removed(slot)
        sparesMain = false
    }

    mutating func lowered(_ slot: Int, weight: Int) {
        slots[slot] = QueuedSlot(weight: weight, isInMain: slots[slot].isInMain)
        append(slot)
        touched(slot)
    }

    mutating func removed(_ slot: Int) {
        if slots[slot].isInMain {
            main.remove(slot, from: &slots)
        } else {
            probation.remove(slot, from: &slots)
        }
    }

    mutating func evicted(_ slot: Int, _ hash: Hash128) {
        ghosts.remember(hash, slots[slot].isInMain ? .main : .probation, held: held)
        removed(slot)
    }

    mutating func victim() -> Int? {
        while true {
            if let slot = probation.oldest, sparesMain || isProbationOver || main.count == 0 {
                guard touches[slot] == TouchCounts.limit else { return slot }
                probation.remove(slot, from: &slots)
                slots[slot].isInMain = true
                touches.set(slot, to: 0)
                append(slot)
                continue
            }
            guard let slot = main.oldest else { return nil }
            // Each step takes back a read, so the walk is paid for by reads.
            guard touches[slot] > 0 else { return slot }
            letAround(slot)
        }
    }

    private var held: Int { probation.count + main.count }

    /// Whether probation keeps its share without its oldest entry; so it has at least one, however small the share.
    private var isProbationOver: Bool {
        guard let oldest = probation.oldest else { return false }
        return probation.bytes - slots[oldest].weight >= probationBytes
    }

    private mutating func append(_ slot: Int) {
        if slots[slot].isInMain {
            main.append(slot, in: &slots)
        } else {
            probation.append(slot, in: &slots)
        }
    }

    private mutating func moveBorder(by weight: Int) {
        probationBytes = min(max(probationBytes + weight, probationBounds.lowerBound), probationBounds.upperBound)
    }

    /// Whether the oldest entry of the main queue was not read; else it loses a read, so that who is asked for again and
    /// again comes in some day. One is looked at because as many come back in a lap of a loop as are held, at most: they
    /// take back no more reads than the loop makes.
    private mutating func oldestOfMainIsUnread() -> Bool {
        guard let slot = main.oldest, touches[slot] > 0 else { return true }
        letAround(slot)
        return false
    }

    private mutating func letAround(_ slot: Int) {
        touches.set(slot, to: touches[slot] - 1)
        main.remove(slot, from: &slots)
        main.append(slot, in: &slots)
    }
}
