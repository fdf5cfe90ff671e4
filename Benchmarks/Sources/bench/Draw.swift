/// Numbers below a count in random order, over and over.
struct Draw {
    private var random: SplitMix
    private let count: Int

    init(_ count: Int, seed: Int) {
        self.count = count
        random = SplitMix(state: UInt64(seed))
    }

    mutating func next() -> Int { Int(random.next() % UInt64(count)) }

    /// So many, no two alike.
    mutating func next(_ wanted: Int) -> [Int] {
        var numbers = Set<Int>()
        while numbers.count < wanted { numbers.insert(next()) }
        return Array(numbers)
    }
}
