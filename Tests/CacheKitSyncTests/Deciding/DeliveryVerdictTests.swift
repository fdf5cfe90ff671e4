import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// What follows from each verdict under each policy.
struct DeliveryVerdictTests {
    private let newer = try? Sample.record([9], stamped: .seconds(-3))

    private func trial(
        _ value: [UInt8]? = [1], life: Duration = .seconds(60), base: [ValueFingerprint] = [],
        _ policy: (inout SyncPolicy) -> Void = { _ in }, terms: (inout Delivery.Terms) -> Void = { _ in }
    ) throws -> Trial {
        var chosen = SyncPolicy()
        policy(&chosen)
        var trial = Trial([try Sample.change(5, value, life: life, base: base)], chosen, terms)
        #expect(trial.step() == "push")
        return trial
    }

    @Test(arguments: [Verdict.applied, .already])
    func `what took effect, now or before, is applied`(verdict: Verdict) throws {
        var trial = try trial()
        trial.weigh { _ in verdict }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.applied])
    }

    @Test func `a clash asks for another node id, whatever else came back`() throws {
        var trial = Trial([try Sample.change(5), try Sample.change(6)])
        _ = trial.step()
        trial.weigh { $0.key.string == "k5" ? .clash : .applied }
        #expect(trial.step() == "reidentify")
    }

    @Test func `a change is too old past the life of tombstones, unless somebody decided that it is sent`() throws {
        for (age, isDecided, isTooOld) in [(6, false, false), (8, false, true), (8, true, false)] {
            var change = try Sample.change(5, age: .seconds(age * 86_400))
            change.entry.isSentAtAnyAge = isDecided
            var trial = Trial([change])
            #expect(trial.step() == "push")
            let write = try #require(trial.pushes.first?.writes.first)
            #expect(write.isTooOld == isTooOld)
            #expect(write.isLate, "it asks who wrote before all the same")
            #expect(write.version == change.entry.version)
        }
    }

    // MARK: Stale

    @Test func `a stale change gives way to what the remote holds`() throws {
        var trial = try trial()
        let newer = try #require(newer)
        trial.weigh { _ in .stale(newer) }
        #expect(trial.step() == "inspect")
        trial.inspect([9], remaining: .seconds(30))
        #expect(trial.step() == "resolve")
        let resolution = try #require(trial.resolutions.first)
        #expect(resolution.loss == .stale)
        #expect(!resolution.isChange)
        #expect(resolution.sequence == ChangeSequence(5))
        #expect(resolution.winner.value == [9])
        #expect(resolution.winner.expiresAt == Sample.now.advanced(by: .seconds(30)))
        trial.delivery.resolved([true])
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.lost(.stale)])
    }

    @Test func `a winner without an end lives as long as values of its namespace do`() throws {
        var trial = try trial()
        let newer = try #require(newer)
        trial.weigh { _ in .stale(newer) }
        _ = trial.step()
        trial.inspect([9], remaining: nil)
        _ = trial.step()
        #expect(trial.resolutions.first?.winner.expiresAt == Sample.now.advanced(by: .seconds(600)))
    }

    @Test(arguments: [nil, [255, 1]] as [[UInt8]?])
    func `a winner that is gone or can't be opened leaves nothing that lasts`(value: [UInt8]?) throws {
        var trial = try trial()
        let newer = try #require(newer)
        trial.weigh { _ in .stale(newer) }
        _ = trial.step()
        trial.inspect(value)
        #expect(trial.step() == "resolve")
        #expect(trial.resolutions.first?.winner.value == nil)
        #expect(trial.resolutions.first?.winner.expiresAt == Sample.now)
    }

    @Test func `a row that was written anew meanwhile is left alone`() throws {
        var trial = try trial()
        let newer = try #require(newer)
        trial.weigh { _ in .stale(newer) }
        _ = trial.step()
        trial.inspect([9])
        _ = trial.step()
        trial.delivery.resolved([false])
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.superseded])
    }

    @Test func `a local winner is given a version above the remote's and sent again, a bounded number of times`() throws
    {
        var trial = try trial { $0.stale = .localWins }
        let newer = try #require(newer)
        for raise in 1...Delivery.mostRaises {
            trial.weigh { _ in .stale(newer) }
            #expect(trial.step() == "restamp", "raise \(raise)")
            #expect(trial.stamps.map(\.above) == [newer.version])
            let version = Version(stamp: newer.version.stamp + 1, node: Sample.node)
            trial.delivery.restamped([version])
            #expect(trial.step() == "push")
            #expect(trial.pushes.first?.writes.first?.version == version)
        }
        trial.weigh { _ in .stale(newer) }
        #expect(trial.step() == "inspect")
    }

    @Test func `against a version of this node the change that still stands is the newer one`() throws {
        let own = try Sample.record([9], stamped: .seconds(-3), node: Sample.node)
        var standing = try trial()
        standing.weigh { _ in .stale(own) }
        #expect(standing.step() == "restamp")
        standing.delivery.restamped([Version(stamp: own.version.stamp + 1, node: Sample.node)])
        #expect(standing.step() == "push")
        var overwritten = try trial()
        overwritten.weigh { _ in .stale(own) }
        _ = overwritten.step()
        overwritten.delivery.restamped([nil])
        #expect(overwritten.step() == "finished")
        #expect(overwritten.outcomes == [.superseded])
    }

    @Test(arguments: [[1], nil] as [[UInt8]?])
    func `the same value under a newer version is no loss`(value: [UInt8]?) throws {
        var trial = try trial(value)
        let same = try Sample.record(value, stamped: .seconds(-3))
        trial.weigh { _ in .stale(same) }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.applied])
    }

    // MARK: Foreign, absent, too old

    @Test func `a foreign write wins where nothing else is said`() throws {
        var trial = try trial()
        let seen = try Sample.fingerprint([9])
        trial.weigh { _ in .foreign(seen) }
        #expect(trial.step() == "inspect")
        trial.inspect([9])
        #expect(trial.step() == "resolve")
        #expect(trial.resolutions.first?.loss == .foreign)
        trial.delivery.resolved([true])
        _ = trial.step()
        #expect(trial.outcomes == [.lost(.foreign)])
    }

    @Test func `a local winner goes out again on condition of what was seen, a bounded number of times`() throws {
        let base = [try Sample.fingerprint([7]), try Sample.fingerprint([8])]
        var trial = try trial(base: base) { $0.foreign = .localWins }
        let version = trial.pushes.first?.writes.first?.version
        for round in 1...Delivery.mostRaises {
            let seen = try Sample.fingerprint([UInt8(round)])
            trial.weigh { _ in .foreign(seen) }
            #expect(trial.step() == "push")
            #expect(trial.pushes.first?.writes.first?.base == [seen, base[0]])
            #expect(trial.pushes.first?.writes.first?.version == version)
        }
        let seen = try Sample.fingerprint([99])
        trial.weigh { _ in .foreign(seen) }
        #expect(trial.step() == "inspect")
    }

    @Test func `invalidation replaces the change by a delete of its own`() throws {
        var trial = try trial { $0.foreign = .invalidate }
        let seen = try Sample.fingerprint([9])
        trial.weigh { _ in .foreign(seen) }
        #expect(trial.step() == "resolve")
        let resolution = try #require(trial.resolutions.first)
        #expect(resolution.isChange)
        #expect(resolution.winner.value == nil)
        #expect(resolution.winner.expiresAt == Sample.now.advanced(by: .seconds(7 * 86_400)))
        trial.delivery.resolved([true])
        _ = trial.step()
        #expect(trial.outcomes == [.lost(.foreign)])
    }

    @Test func `a change that is dropped for an absent value leaves nothing that lasts`() throws {
        var trial = try trial { $0.absent = .drop }
        trial.weigh { _ in .absent }
        #expect(trial.step() == "inspect")
        trial.inspect(nil)
        #expect(trial.step() == "resolve")
        #expect(trial.resolutions.first?.loss == .absent)
        trial.delivery.resolved([true])
        _ = trial.step()
        #expect(trial.outcomes == [.lost(.absent)])
    }

    @Test func `a change that is too old is parked`() throws {
        var trial = try trial()
        trial.weigh { _ in .tooOld }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.parked(.tooOld)])
    }

    // MARK: Expired, sent again, refused

    @Test(arguments: 0..<4)
    func `an expired put has expired, whatever it met`(index: Int) throws {
        let verdicts: [Verdict] = [
            .applied, .stale(try #require(newer)), .foreign(try Sample.fingerprint([9])), .tooOld,
        ]
        var trial = try trial(life: .zero)
        trial.weigh { _ in verdicts[index] }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.expired])
    }

    @Test func `a put that had taken effect before it expired is applied`() throws {
        var trial = try trial(life: .zero)
        trial.weigh { _ in .already }
        _ = trial.step()
        #expect(trial.outcomes == [.applied])
    }

    @Test(arguments: 0..<5)
    func `nothing comes of what is sent again`(index: Int) throws {
        let verdicts: [Verdict] = [
            .clash, .stale(try #require(newer)), .foreign(try Sample.fingerprint([9])), .absent,
            .failed(Sample.rejected),
        ]
        var trial = try trial(terms: { $0.isResend = true })
        trial.weigh { _ in verdicts[index] }
        #expect(trial.step() == "finished")
    }

    @Test func `a refused change leaves the others to go on, and is counted`() throws {
        var trial = Trial([try Sample.change(5), try Sample.change(6)])
        _ = trial.step()
        let newer = try #require(newer)
        trial.weigh { $0.key.string == "k5" ? .failed(Sample.rejected) : .stale(newer) }
        #expect(trial.step() == "inspect")
        trial.inspect([9])
        _ = trial.step()
        trial.delivery.resolved([true])
        #expect(trial.step() == "failed remoteRejected")
        #expect(trial.outcomes == [nil, .lost(.stale)])
        #expect(trial.delivery.refusals == [ChangeSequence(5): 1])
    }
}
