/// After which kills the parent leaves the file alone, so that the next child starts on the log as the kill left it.
///
/// In each block of rounds there is one run of one to three such kills, a third of all rounds on average. The last round of a
/// block is never in it: there a rotation is taken to its end, by the parent.
struct HotLogRuns {
    static let block = 6

    let seed: UInt64

    func leavesLog(after round: Int) -> Bool {
        var bits = seed &+ UInt64(round / Self.block) &* 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 31) &* 0xBF58_476D_1CE4_E5B9 >> 32
        let count = 1 + Int(bits % 3)
        let first = Int(bits / 3) % (Self.block - count)
        return (first..<first + count).contains(round % Self.block)
    }
}
