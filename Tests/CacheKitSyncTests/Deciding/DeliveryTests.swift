import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// How changes become writes of buckets.
struct DeliveryTests {
    private func write(
        _ change: Change, _ policy: SyncPolicy = .init(), at now: Timestamp = Sample.now,
        _ adjust: (inout Delivery.Terms) -> Void = { _ in }
    ) throws -> VersionedWrite {
        var trial = Trial([change], policy, adjust)
        _ = trial.step(at: now)
        return try #require(trial.pushes.first?.writes.first)
    }

    private func life(_ write: VersionedWrite) -> Duration? {
        if case .put(_, let life) = write.action { life } else { nil }
    }

    @Test func `a put carries its version, its fingerprint, its base and what is left of its life`() throws {
        let base = [try Sample.fingerprint([8])]
        let change = try Sample.change(3, [1, 2], age: .seconds(2), life: .seconds(60), base: base)
        let write = try write(change)
        #expect(write.version == change.entry.version)
        #expect(write.fingerprint == (try Sample.fingerprint([1, 2])))
        #expect(write.base == base)
        #expect(life(write) == .seconds(60))
        #expect(write.recordExpiresAt == Sample.now.advanced(by: .seconds(60)))
    }

    @Test func `a delete leaves a record until its tombstone may be forgotten, however old it is`() throws {
        let write = try write(Sample.change(3, nil, age: .seconds(30 * 86_400), life: .seconds(-5)))
        guard case .delete = write.action else {
            Issue.record("not a delete")
            return
        }
        #expect(write.fingerprint == .none)
        #expect(write.recordExpiresAt == Sample.now.advanced(by: .seconds(-5)))
    }

    @Test(arguments: [(4_999, false), (5_000, false), (5_001, true)])
    func `a change is late once it was stamped longer ago than that`(age: Int, isLate: Bool) throws {
        #expect(try write(Sample.change(1, age: .milliseconds(age))).isLate == isLate)
    }

    @Test func `a change from before the connection is late, one from after it is not`() throws {
        func isLate(connected: Duration) throws -> Bool {
            try write(Sample.change(1, age: .seconds(1))) {
                $0.connectedSince = Sample.now.advanced(by: .zero - connected)
            }.isLate
        }
        #expect(try isLate(connected: .milliseconds(999)))
        #expect(try !isLate(connected: .seconds(1)))
    }

    @Test func `a change older than tombstones are kept is too old, unless it is sent again`() throws {
        let week = Duration.seconds(7 * 86_400)
        #expect(try !write(Sample.change(1, age: week)).isTooOld)
        let older = try Sample.change(1, age: week + .milliseconds(1))
        #expect(try write(older).isTooOld)
        #expect(try !write(older) { $0.isResend = true }.isTooOld)
    }

    @Test(arguments: [0, -1, -3_600])
    func `a put whose life is over goes out as an expire with the fingerprint of its value`(life: Int) throws {
        let write = try write(Sample.change(1, [4], life: .seconds(life)))
        guard case .expire = write.action else {
            Issue.record("not an expire")
            return
        }
        #expect(write.fingerprint == (try Sample.fingerprint([4])))
        #expect(write.recordExpiresAt == Sample.now.advanced(by: .seconds(7 * 86_400)))
    }

    @Test(arguments: [false, true])
    func `where policy or row keep pending alive the whole life begins at the first send`(isRows: Bool) throws {
        var policy = SyncPolicy()
        policy.pendingKeepsAlive = !isRows
        var change = try Sample.change(1, age: .seconds(100), life: .seconds(-40))
        change.entry.isKeptUntilSent = isRows
        let write = try write(change, policy)
        #expect(life(write) == .seconds(60))
        #expect(write.recordExpiresAt == Sample.now.advanced(by: .seconds(60)))
        // What had an outcome is not given another life.
        #expect(try life(self.write(change, policy) { $0.isResend = true }) == nil)
    }

    @Test(arguments: [false, true])
    func `a change that is kept alive and wins over a newer version has its whole life from there`(isRows: Bool) throws
    {
        var policy = SyncPolicy()
        policy.pendingKeepsAlive = !isRows
        policy.stale = .localWins
        var change = try Sample.change(1, age: .seconds(100), life: .seconds(-40))
        change.entry.isKeptUntilSent = isRows
        var trial = Trial([change], policy)
        #expect(trial.step() == "push")
        let record = try Sample.record([9], stamped: .seconds(10))
        trial.weigh { _ in .stale(record) }
        #expect(trial.step() == "restamp")
        trial.delivery.restamped([Version(stamp: UInt64(Sample.now.milliseconds) << 16, node: Sample.node)])
        #expect(trial.step() == "push")
        #expect(life(try #require(trial.pushes.first?.writes.first)) == .seconds(60))
    }

    @Test func `absence is accepted unless the policy drops`() throws {
        #expect(try write(Sample.change(1)).acceptsAbsence)
        var policy = SyncPolicy()
        policy.absent = .drop
        #expect(try !write(Sample.change(1), policy).acceptsAbsence)
    }

    // MARK: Stamps

    @Test(arguments: [(1_000, false), (1_001, true)])
    func `a change stamped ahead of the remote is given another version before it is first sent`(
        ahead: Int, isAhead: Bool
    ) throws {
        let change = try Sample.change(5, age: .milliseconds(-ahead))
        var first = Trial([change], sentThrough: 4)
        #expect(first.step() == (isAhead ? "restamp" : "push"))
        // Once it may have been seen, its version is final.
        var again = Trial([change], sentThrough: 5)
        #expect(again.step() == "push")
    }

    @Test func `a version set back takes its end with it`() throws {
        let year = Duration.seconds(365 * 86_400)
        var trial = Trial([try Sample.change(5, age: .zero - year, life: year + .seconds(60))], sentThrough: 4)
        #expect(trial.step() == "restamp")
        #expect(trial.stamps.map(\.above) == [nil])
        trial.delivery.restamped([Version(stamp: UInt64(Sample.now.milliseconds) << 16, node: Sample.node)])
        #expect(trial.step() == "push")
        #expect(life(try #require(trial.pushes.first?.writes.first)) == .seconds(60))
    }

    @Test func `a life that was counted from a right clock stays when its version is set back`() throws {
        // The stamp only follows an earlier one, which was wrong.
        let year = Duration.seconds(365 * 86_400)
        var trial = Trial([try Sample.change(5, age: .zero - year, life: .seconds(60))], sentThrough: 4)
        #expect(trial.step() == "restamp")
        trial.delivery.restamped([Version(stamp: UInt64(Sample.now.milliseconds) << 16, node: Sample.node)])
        #expect(trial.step() == "push")
        #expect(life(try #require(trial.pushes.first?.writes.first)) == .seconds(60))
    }

    @Test func `a change stamped under another node id is given this one before it is first sent`() throws {
        var trial = Trial([try Sample.change(5, node: 3), try Sample.change(6)], sentThrough: 4)
        #expect(trial.step() == "restamp")
        #expect(trial.stamps.map(\.sequence.number) == [5])
        trial.delivery.restamped([nil])
        #expect(trial.outcomes == [.superseded, nil])
        #expect(trial.step() == "push")
        #expect(trial.pushes.flatMap(\.writes).map(\.key.string) == ["k6"])
    }

    // MARK: Pushes

    private func ledger(_ sequences: [Int: UInt64]) -> MarkLedger {
        var ledger = MarkLedger(bucketCount: 4)
        ledger.learn(RemoteMarks(bucketCount: 4, sequences: sequences.mapValues(MarkLedger.mark(of:))))
        return ledger
    }

    @Test func `writes of one bucket go together, in order, under the highest change of theirs`() throws {
        var trial = Trial(try [2, 5, 6, 9].map { try Sample.change($0) })
        trial.delivery.ledger = ledger([1: 3])
        #expect(trial.step() == "push")
        #expect(trial.pushes.map(\.bucket) == [1, 2])
        #expect(trial.pushes.map { $0.writes.map(\.key.string) } == [["k5", "k9"], ["k2", "k6"]])
        #expect(trial.pushes.map { $0.mark >> 16 } == [9, 6])
        #expect(trial.pushes.map { $0.expectedMark >> 16 } == [3, 0])
        #expect(trial.pushes.allSatisfy { $0.node == Sample.node && $0.now == Sample.now })
    }

    @Test func `a push is bounded, and the next of its bucket expects the mark before it`() throws {
        let many = try (1...300).map { try Sample.change($0, key: "\($0):0") }
        var trial = Trial(many, sentThrough: 300)
        _ = trial.step()
        #expect(trial.pushes.map(\.writes.count) == [256, 44])
        #expect(trial.pushes.map { $0.mark >> 16 } == [256, 300])
        #expect(trial.pushes.map { $0.expectedMark >> 16 } == [0, 256])
        let large = [UInt8](repeating: 1, count: 200 << 10)
        var heavy = Trial(try (1...3).map { try Sample.change($0, large, key: "\($0):0") })
        _ = heavy.step()
        #expect(heavy.pushes.map(\.writes.count) == [2, 1])
    }

    @Test func `a second round expects the marks that the first left`() throws {
        var policy = SyncPolicy()
        policy.foreign = .localWins
        var trial = Trial([try Sample.change(5)], policy)
        _ = trial.step()
        let seen = try Sample.fingerprint([9])
        trial.weigh { _ in .foreign(seen) }
        #expect(trial.step() == "push")
        #expect(trial.pushes.map { $0.expectedMark >> 16 } == [5])
    }

    @Test func `only pushes that were answered are observed`() throws {
        var trial = Trial(try [1, 2, 3].map { try Sample.change($0) })
        trial.delivery.ledger = ledger([1: 1])
        _ = trial.step()
        #expect(trial.delivery.observations.isEmpty)
        trial.delivery.weighed([
            .weighed(mark: nil, verdicts: [.applied]), .failed(Sample.away), .weighed(mark: 4, verdicts: [.applied]),
        ])
        #expect(trial.delivery.observations.map(\.bucket) == [1, 3])
        #expect(trial.delivery.observations.map(\.found) == [nil, 4])
        #expect(trial.delivery.observations.map { $0.expected >> 16 } == [1, 0])
        #expect(trial.step() == "failed remoteUnavailable")
    }

    @Test func `a mark above all that was sent makes the delivery begin anew under another id`() throws {
        var trial = Trial([try Sample.change(5)], sentThrough: 4)
        _ = trial.step()
        let newer = try Sample.record([9], stamped: .seconds(-1), node: Sample.node)
        trial.delivery.weighed([.weighed(mark: MarkLedger.mark(of: 6), verdicts: [.stale(newer)])])
        #expect(trial.step() == "reidentify")
    }

    @Test func `a value that can't be opened here is parked unsent, and the others go on`() throws {
        var withheld = try Sample.change(2, [])
        withheld.entry.withheldByteCount = 5
        // Not even a version is asked for: the row's seal is bound to the one that it has.
        withheld.entry.version = Version(stamp: withheld.entry.version.stamp, node: 99)
        var trial = Trial([try Sample.change(1), withheld, try Sample.change(3, nil)], sentThrough: 0)
        #expect(trial.step() == "push")
        #expect(Set(trial.pushes.flatMap { $0.writes.map(\.key.string) }) == ["k1", "k3"])
        trial.weigh { _ in .applied }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.applied, .parked(.needsKey), .applied])
    }
}
