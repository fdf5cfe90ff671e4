/// How much a local store holds, for metrics.
struct LocalSize {
    /// Values and remembered deletes, counted a while ago.
    private(set) var rows: Int?
    /// On disk, now.
    private(set) var bytes: Int?
    private var nextCount: Duration?

    /// Counting is linear, so it happens once a minute, and takes a hundredth of the time at the most.
    mutating func measure(_ store: any LocalStore, _ clock: any CacheClock) async {
        bytes = store.storedBytes
        let began = clock.uptime()
        if let nextCount, began < nextCount { return }
        guard let count = try? await store.rowCount(through: ChangeSequence(.max)) else { return }
        rows = count
        let ended = clock.uptime()
        nextCount = ended + max(.seconds(60), (ended - began) * 100)
    }
}
