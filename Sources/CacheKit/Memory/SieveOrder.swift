/// SIEVE: a queue in order of arrival, one bit per entry that says "read since the hand came by", and a hand that walks from
/// the oldest to the newest, clears bits, and evicts the first entry without one.
///
/// Zhang et al., "SIEVE is Simpler than LRU" (NSDI 2024). A hit sets one bit and moves nothing, which keeps the hit path
/// free of the cache misses that relinking an LRU list costs, at a hit ratio no worse than LRU's.
struct SieveOrder: EvictionOrder {
    private struct Node {
        var newer: Int32
        var older: Int32
    }

    private static let none: Int32 = -1

    private var nodes: [Node] = []
    private var visited: [Bool] = []
    private var newest = Self.none
    private var oldest = Self.none
    private var hand = Self.none

    init() {}

    mutating func inserted(_ slot: Int) {
        while nodes.count <= slot {
            nodes.append(Node(newer: Self.none, older: Self.none))
            visited.append(false)
        }
        let index = Int32(slot)
        nodes[slot] = Node(newer: Self.none, older: newest)
        visited[slot] = false
        if newest != Self.none { nodes[Int(newest)].newer = index } else { oldest = index }
        newest = index
    }

    mutating func touched(_ slot: Int) {
        visited[slot] = true
    }

    mutating func removed(_ slot: Int) {
        let node = nodes[slot]
        if hand == Int32(slot) { hand = node.newer }
        if node.newer != Self.none { nodes[Int(node.newer)].older = node.older } else { newest = node.older }
        if node.older != Self.none { nodes[Int(node.older)].newer = node.newer } else { oldest = node.newer }
    }

    mutating func victim() -> Int? {
        guard oldest != Self.none else { return nil }
        if hand == Self.none { hand = oldest }
        // Each step clears a bit that a hit has set, so the walk is paid for by hits.
        while visited[Int(hand)] {
            visited[Int(hand)] = false
            let newer = nodes[Int(hand)].newer
            hand = newer == Self.none ? oldest : newer
        }
        return Int(hand)
    }
}
