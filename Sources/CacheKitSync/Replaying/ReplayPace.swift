/// Bounds how much is sent in a second: a token bucket that holds a quarter of a second's worth, at least one; no clock of its own.
struct ReplayPace: Sendable {
    private let rate: Int?
    private let most: Int
    private var tokens: Double
    private var filledAt: Duration?

    /// - Parameters:
    ///   - rate: a second; `nil` for any number.
    ///   - most: in one batch, whatever the rate.
    init(rate: Int?, most: Int) {
        self.rate = rate
        self.most = rate.map { max(1, min(most, $0 / 4)) } ?? most
        tokens = Double(self.most)
    }

    /// How many may be taken at once.
    var batchCount: Int { most }

    /// Takes some, at most ``batchCount``, and says how long to wait before they are sent.
    mutating func take(_ count: Int, at uptime: Duration) -> Duration {
        guard let rate else { return .zero }
        let passed = filledAt.map { max(.zero, uptime - $0) } ?? .zero
        filledAt = uptime
        tokens = min(Double(most), tokens + Double(rate) * (passed / .seconds(1))) - Double(count)
        return tokens >= 0 ? .zero : .seconds(-tokens / Double(rate))
    }
}
