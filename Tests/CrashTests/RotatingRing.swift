import CacheKitCore

/// The ring that each round's child is given: every few rounds a key comes, is promoted, and the one before it goes.
struct RotatingRing {
    private var seed: UInt64
    private var keys: [String] = []
    private var hasUpcoming = false
    private(set) var promotions = 0
    private(set) var retirements = 0

    init(seed: UInt64) {
        self.seed = seed
        keys = [drawKey()]
    }

    /// The keys in hex, the current one first.
    var hex: String { keys.joined(separator: ",") }

    var keyring: Keyring {
        get throws {
            let masters = try keys.map { try MasterKey(hex: $0) }
            return try Keyring(current: masters[0], previous: Array(masters.dropFirst()))
        }
    }

    var hasPrevious: Bool { keys.count > 1 && !hasUpcoming }

    /// One of the family's three steps; gives whether the previous keys are to be retired.
    mutating func advance(_ round: Int) -> Bool {
        switch round % 3 {
        case 0 where keys.count <= Keyring.maximumPreviousCount:
            keys.insert(drawKey(), at: 1)
            hasUpcoming = true
        case 1 where hasUpcoming:
            keys.swapAt(0, 1)
            hasUpcoming = false
            promotions += 1
        default: break
        }
        return hasPrevious
    }

    mutating func forgetPrevious() {
        keys = [keys[0]]
        retirements += 1
    }

    private mutating func drawKey() -> String {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let digits = String(seed, radix: 16)
        return String(String(repeating: String(repeating: "0", count: 16 - digits.count) + digits, count: 4))
    }
}
