/// A slot's place in one of the queues of an eviction order.
struct QueuedSlot: Sendable {
    static let none: Int32 = -1

    var newer = Self.none
    var older = Self.none
    /// The weight and, in the highest bit, the queue: 12 bytes, because there is one for each entry.
    private var packed: UInt32

    init(weight: Int, isInMain: Bool) {
        packed = min(UInt32(clamping: weight), UInt32.max >> 1)
        self.isInMain = isInMain
    }

    /// In bytes; what is heavier than 2 GiB counts as 2 GiB.
    var weight: Int { Int(packed & UInt32.max >> 1) }

    var isInMain: Bool {
        get { packed >> 31 == 1 }
        set { packed = packed & UInt32.max >> 1 | (newValue ? 1 << 31 : 0) }
    }
}

/// A queue of slots in order of arrival, linked through an array that several queues share.
struct SlotQueue: Sendable {
    private var newest = QueuedSlot.none
    private var oldestSlot = QueuedSlot.none
    private(set) var count = 0
    /// The weight of all that is in it.
    private(set) var bytes = 0

    /// The slot that came first.
    var oldest: Int? { oldestSlot == QueuedSlot.none ? nil : Int(oldestSlot) }

    /// Adds a slot as the newest.
    mutating func append(_ slot: Int, in slots: inout [QueuedSlot]) {
        let index = Int32(slot)
        slots[slot].newer = QueuedSlot.none
        slots[slot].older = newest
        if newest != QueuedSlot.none { slots[Int(newest)].newer = index } else { oldestSlot = index }
        newest = index
        count += 1
        bytes += slots[slot].weight
    }

    /// Takes a slot out, wherever it stands.
    mutating func remove(_ slot: Int, from slots: inout [QueuedSlot]) {
        let place = slots[slot]
        if place.newer != QueuedSlot.none { slots[Int(place.newer)].older = place.older } else { newest = place.older }
        if place.older != QueuedSlot.none {
            slots[Int(place.older)].newer = place.newer
        } else {
            oldestSlot = place.newer
        }
        count -= 1
        bytes -= place.weight
    }
}
