import CacheKit
import CacheKitCore
import CacheKitTesting

/// One node's way to the remote: loses requests and replies, delays, doubles and reorders what it carries.
///
/// Unchecked: see ``VirtualTime``.
final class SimulatedLink: RemoteStore, @unchecked Sendable {
    private let world: World
    /// How many calls in a hundred meet a fault.
    var faultPercent = 0
    /// Whether nothing comes through.
    var isCut = false
    /// Whether the node died: nobody hears of anything any more.
    var isDead = false
    private(set) var mostInFlight = 0
    private var inFlight = 0
    private(set) var following = RemoteFollowing.idle
    /// Who is told of changes, and over the how-manieth connection.
    private var follower: (@Sendable (RemoteInvalidation) -> Void)?
    private var connection = 0
    private var isHearing = false
    /// When the last message arrives: none overtakes another.
    private var lastArrival: Int64 = 0
    private var glances: [CacheKey: RemoteGlance] = [:]
    /// The highest mark of each bucket that was acknowledged; for whoever breaks that.
    private var acknowledged: [Int: UInt64] = [:]

    init(_ world: World) {
        self.world = world
    }

    private enum Fate { case arrives, isLost, comesLate, losesReply, comesTwice }

    private func fate() -> Fate {
        guard world.hasFaults, world.chance(faultPercent) else { return .arrives }
        return [.isLost, .comesLate, .losesReply, .comesTwice][world.number(below: 4)]
    }

    /// Carries a question and its answer.
    private func carry<Answer: Sendable>(
        _ apply: @escaping () -> Answer
    ) async throws(CacheError) -> Answer {
        inFlight += 1
        mostInFlight = max(mostInFlight, inFlight)
        defer { inFlight -= 1 }
        try await wait(1 + world.number(below: world.hasFaults && world.chance(5) ? 800 : 20))
        guard !isCut, !isDead, !world.remote.isDown else { throw away }
        let epoch = world.remote.epoch
        switch fate() {
        case .isLost:
            try await wait(2_000)
            throw CacheError(.remoteTimeout, "the request was lost")
        case .comesLate:
            world.time.after(Int64(100 + world.number(below: 6_000))) { [world] in
                if world.remote.epoch == epoch, !world.remote.isDown { _ = apply() }
            }
            try await wait(2_000)
            throw CacheError(.mayHaveBeenApplied, "the request is under way")
        case .losesReply:
            _ = apply()
            try await wait(50)
            throw CacheError(.mayHaveBeenApplied, "the reply was lost")
        case .comesTwice:
            world.time.after(Int64(world.number(below: 3_000))) { [world] in
                if world.remote.epoch == epoch, !world.remote.isDown { _ = apply() }
            }
        case .arrives: break
        }
        let answer = apply()
        try await wait(1 + world.number(below: 20))
        guard !isCut, !isDead, world.remote.epoch == epoch else {
            throw CacheError(.mayHaveBeenApplied, "the connection was lost")
        }
        return answer
    }

    private var away: CacheError { CacheError(.remoteUnavailable, "the remote can't be reached") }

    private func wait(_ milliseconds: Int) async throws(CacheError) {
        do {
            try await world.time.sleep(for: .milliseconds(milliseconds))
        } catch {
            throw CacheError(.cancelled, "cancelled")
        }
    }

    // MARK: Versions

    var bucketCount: Int { SimulatedRemote.bucketCount }
    func bucket(of key: CacheKey) -> Int { SimulatedRemote.bucket(of: key) }

    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        // A connection may end between two of the calls that a batch is made of.
        let count = world.hasFaults && world.chance(faultPercent) ? world.number(below: pushes.count + 1) : pushes.count
        let isPretended = world.sabotage == .acknowledgesBeforeApplying && world.chance(20)
        let answers = try await carry { [world, self] in
            pushes.prefix(count).map { push -> BucketAnswer in
                if let shardAway = shardAway(push.bucket) { return .failed(shardAway) }
                if isPretended { return .weighed(mark: push.mark, verdicts: push.writes.map { _ in .applied }) }
                return world.remote.push(push, in: world)
            }
        }
        let rest = pushes.dropFirst(count).map { _ in BucketAnswer.failed(away) }
        return zip(pushes, answers + rest).map { push, answer in falsified(push, answer) }
    }

    private func isAway(_ bucket: Int) -> Bool { world.remote.awayShards.contains(world.remote.shard(of: bucket)) }

    private func shardAway(_ bucket: Int) -> CacheError? { isAway(bucket) ? away : nil }

    private func falsified(_ push: BucketPush, _ answer: BucketAnswer) -> BucketAnswer {
        guard case .weighed(let mark, var verdicts) = answer else { return answer }
        for index in verdicts.indices {
            switch (world.sabotage, verdicts[index]) {
            case (.skipsTheFingerprint, .clash), (.takesStaleForApplied, .stale): verdicts[index] = .applied
            default: break
            }
        }
        acknowledged[push.bucket] = max(acknowledged[push.bucket] ?? 0, push.mark)
        return .weighed(mark: falsified(mark, expected: push.expectedMark), verdicts: verdicts)
    }

    private func falsified(_ mark: UInt64?, expected: UInt64) -> UInt64? {
        switch (world.sabotage, mark) {
        case (.ignoresMissingMarks, nil) where expected > 0: expected
        case (.ignoresLowerMarks, let mark?) where mark < expected: expected
        default: mark
        }
    }

    func shard(of bucket: Int) -> Int? { world.remote.shardCount > 1 ? world.remote.shard(of: bucket) : nil }

    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        let marks = try await carry { [world] in
            world.remote.read { cells, _ in buckets.map { cells.buckets[$0]?.marks[node] } }
        }
        return zip(buckets, marks).map { bucket, mark in
            if isAway(bucket) { return .failure(away) }
            return .success(falsified(mark, expected: acknowledged[bucket] ?? 0))
        }
    }

    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] {
        try await carry { [world] in
            world.remote.read { cells, now in
                keys.map {
                    var record = cells.buckets[SimulatedRemote.bucket(of: $0)]?.records[$0]
                    if world.sabotage == .overstatesVersions, let version = record?.version {
                        record?.version = Version(stamp: version.stamp + 30_000 << 16, node: version.node)
                    }
                    return RemoteView(entry: cells.entry($0, at: now), record: record)
                }
            }
        }
    }

    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] {
        let views = try await inspect(keys)
        return zip(keys, views).map { key, view in
            let glance = RemoteGlance(
                tail: view.entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) },
                remaining: view.entry?.remaining)
            guard world.sabotage == .glancesOnce else { return glance }
            glances[key] = glances[key] ?? glance
            return glances[key] ?? glance
        }
    }

    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] {
        try await inspect(keys).map { view in
            RemoteTrace(
                tail: view.entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) },
                hasValue: view.entry != nil, record: view.record)
        }
    }

    func survey() async throws(CacheError) -> RemoteSurvey {
        try await carry { [world] in RemoteSurvey(time: world.now, evictsRecords: false) }
    }

    func sweep(bucket: Int, from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep {
        SweepStep(next: 0, removed: 0)
    }

    func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] { [1] }

    // MARK: Plain keys

    func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        try await inspect(keys).map(\.entry)
    }

    func keys(withPrefix prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage {
        throw CacheError(.internalFault, "no node of the simulation lists keys")
    }

    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] { try await read(keys).map { $0 != nil } }

    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        throw CacheError(.internalFault, "no namespace of the simulation has a single writer")
    }

    func ping() async throws(CacheError) { _ = try await survey() }
    func close() async {}

    // MARK: Hearing of changes

    func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async {
        world.remote.add(self)
        follower = body
        while !Task.isCancelled, !isDead {
            if !isHearing, !isCut, !world.remote.isDown {
                connection += 1
                isHearing = true
                following = .active
                let epoch = world.remote.epoch
                // Whatever changes from now on is told.
                body(.everything)
                while isHearing, !Task.isCancelled, !isDead, epoch == world.remote.epoch, !world.remote.isDown {
                    guard (try? await wait(200)) != nil else { break }
                }
                isHearing = false
                following = .lost(away)
            }
            guard (try? await wait(200)) != nil else { break }
        }
        // Which holds the cache, which holds this.
        follower = nil
        world.remote.remove(self)
    }

    /// Something has changed at the remote: whoever follows is told a little later, or the connection is lost.
    func hear(_ change: RemoteInvalidation) {
        guard isHearing else { return }
        if world.sabotage == .losesInvalidations, world.chance(30) { return }
        let delay = Int64(1 + world.number(below: world.hasFaults && world.chance(5) ? 800 : 20))
        lastArrival = max(lastArrival, world.time.milliseconds + delay)
        let sent = connection
        world.time.after(lastArrival - world.time.milliseconds) { [self] in
            guard isHearing, sent == connection else { return }
            guard !isCut, !isDead else {
                isHearing = false
                return
            }
            follower?(change)
        }
    }
}
