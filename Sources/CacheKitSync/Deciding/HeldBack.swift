import CacheKit
import CacheKitCore

/// Changes whose shard is away while others answer, and when each shard is tried again.
///
/// Of a change only its key, place and size are held: it is read again when its turn comes. Later changes of its bucket wait
/// behind it, so that no bucket gets a later change before an earlier one. A shard is away by itself only while another one
/// answers; where none does, the whole remote is away. One that may be back is asked with one
/// change first.
struct HeldBack: Sendable {
    struct Place: Sendable {
        var sequence: ChangeSequence
        var bucket: Int
        var bytes: Int
    }

    private struct Pause: Sendable {
        var backoff: Backoff
        /// By a clock that does not jump.
        var until: Duration
        var error: CacheError
    }

    /// So many are held; beyond, what comes waits in the feed.
    static let mostChanges = 65_536

    private let backoff: Backoff
    private(set) var changes: [CacheKey: Place] = [:]
    private var countByBucket: [Int: Int] = [:]
    private var pauses: [Int: Pause] = [:]
    /// Shards that answered when they were last asked.
    private var answering: Set<Int> = []

    init(_ backoff: Backoff) {
        self.backoff = backoff
    }

    var isFull: Bool { changes.count >= Self.mostChanges }
    /// What a shard that is away failed by.
    var error: CacheError? { pauses.min { $0.key < $1.key }?.value.error }
    /// The most tries in vain.
    var failures: Int { pauses.values.reduce(0) { max($0, $1.backoff.failures) } }
    /// The first change that is held.
    var first: ChangeSequence? { changes.values.lazy.map(\.sequence).min() }

    /// Whether what comes for a bucket has to wait.
    func waits(_ bucket: Int, shard: Int) -> Bool { pauses[shard] != nil || countByBucket[bucket] != nil }

    /// Whether a shard is not to be asked yet.
    func isPaused(_ shard: Int, at uptime: Duration) -> Bool { pauses[shard].map { $0.until > uptime } ?? false }

    /// Whether other shards than these answer.
    func isolates(_ failing: Set<Int>) -> Bool { !answering.isSubset(of: failing) }

    // MARK: Shards

    /// A shard did not answer.
    mutating func failed(_ shard: Int, _ error: CacheError, at uptime: Duration, fraction: Double) {
        answering.remove(shard)
        var pause = pauses[shard] ?? Pause(backoff: backoff, until: uptime, error: error)
        pause.until = uptime + pause.backoff.next(fraction: fraction)
        pause.error = error
        pauses[shard] = pause
    }

    /// A shard answered.
    ///
    /// - Returns: whether it had been away.
    mutating func answered(_ shard: Int) -> Bool {
        answering.insert(shard)
        return pauses.removeValue(forKey: shard) != nil
    }

    /// None of the remote answers.
    mutating func lostSight() { answering = [] }

    /// Forgets shards that nothing waits for.
    mutating func forgetShards(but needed: Set<Int>) { pauses = pauses.filter { needed.contains($0.key) } }

    /// How long until the first shard is tried again.
    func wait(at uptime: Duration) -> Duration? {
        pauses.values.map { max(.zero, $0.until - uptime) }.min()
    }

    // MARK: Changes

    mutating func hold(_ key: CacheKey, _ place: Place) {
        release(key)
        changes[key] = place
        countByBucket[place.bucket, default: 0] += 1
    }

    mutating func release(_ key: CacheKey) {
        guard let place = changes.removeValue(forKey: key), let count = countByBucket[place.bucket] else { return }
        countByBucket[place.bucket] = count > 1 ? count - 1 : nil
    }

    /// Everything up to here was settled by somebody.
    mutating func drop(through sequence: ChangeSequence) {
        for (key, place) in changes where place.sequence <= sequence { release(key) }
    }

    /// Forgets every change: they are read from the feed again.
    mutating func dropAll() {
        changes = [:]
        countByBucket = [:]
    }

    /// The changes whose shard may be asked, the first ones first, as many as it may be asked with.
    func due(at uptime: Duration, most: Int, bytes: Int, shard: (Int) -> Int) -> [CacheKey] {
        // Most of the time none is due: the changes are put in order only where some are.
        guard countByBucket.keys.contains(where: { !isPaused(shard($0), at: uptime) }) else { return [] }
        var left: [Int: Int] = [:]
        var taken: [CacheKey] = []
        var size = 0
        // Once one of a bucket is left for later, so are those behind it.
        var isOver: Set<Int> = []
        for (key, place) in changes.sorted(by: { $0.value.sequence < $1.value.sequence }) {
            guard taken.count < most, taken.isEmpty || size + place.bytes <= bytes else { break }
            let owner = shard(place.bucket)
            let room = left[owner] ?? (isPaused(owner, at: uptime) ? 0 : pauses[owner] == nil ? most : 1)
            guard room > 0, !isOver.contains(place.bucket) else {
                isOver.insert(place.bucket)
                continue
            }
            left[owner] = room - 1
            taken.append(key)
            size += place.bytes
        }
        return taken
    }
}
