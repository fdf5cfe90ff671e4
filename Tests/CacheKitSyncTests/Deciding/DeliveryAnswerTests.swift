import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// Writes without versions, and answers that don't fit what was asked.
struct DeliveryAnswerTests {
    private func single(_ changes: [Change]) -> Trial {
        var policy = SyncPolicy()
        policy.isSingleWriter = true
        return Trial(changes, policy)
    }

    private func describe(_ write: RemoteWrite) -> String {
        switch write.action {
        case .put(let value, let life): "\(write.key.string)=\(value) \(life.wholeMilliseconds)"
        case .delete: "\(write.key.string) deleted"
        case .expire(let life): "\(write.key.string) expires \(life.wholeMilliseconds)"
        }
    }

    @Test func `changes of a single writer are plain writes, and expired ones deletes`() throws {
        var trial = single([
            try Sample.change(1), try Sample.change(2, nil), try Sample.change(3, [9], life: .zero),
            try Sample.change(4, [7], age: .seconds(60), life: .milliseconds(1)),
        ])
        #expect(trial.step() == "write")
        #expect(trial.writes.map(describe) == ["k1=[1] 60000", "k2 deleted", "k3 deleted", "k4=[7] 1"])
        trial.delivery.written([.applied, .applied, .applied, .applied])
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.applied, .applied, .expired, .applied])
        #expect(trial.delivery.observations.isEmpty)
    }

    @Test func `a plain write that is refused is tried again, and a lost one fails the batch`() throws {
        var refused = single([try Sample.change(1), try Sample.change(2)])
        _ = refused.step()
        refused.delivery.written([.failed(Sample.rejected), .applied])
        #expect(refused.step() == "failed remoteRejected")
        #expect(refused.delivery.refusals == [ChangeSequence(1): 1])
        var lost = single([try Sample.change(1), try Sample.change(2)])
        _ = lost.step()
        lost.delivery.written([.applied, .failed(Sample.away)])
        #expect(lost.step() == "failed remoteUnavailable")
        #expect(lost.delivery.refusals.isEmpty)
    }

    @Test func `namespaces with and without versions share a batch`() throws {
        var policy = SyncPolicy()
        policy.isSingleWriter = true
        let table = PolicyTable(SyncPolicy(), ["plain": policy])
        var trial = Trial([])
        trial.delivery = Delivery(
            [try Sample.change(1, key: "plain:1"), try Sample.change(2)], trial.delivery.terms, [:], now: Sample.now,
            bucket: Sample.bucket, policy: table.policy(for:))
        #expect(trial.step() == "write")
        trial.delivery.written([.applied])
        #expect(trial.step() == "push")
        trial.weigh { _ in .applied }
        #expect(trial.step() == "finished")
        #expect(trial.outcomes == [.applied, .applied])
    }

    // MARK: Answers of wrong counts

    @Test func `answers for another number of pushes are a fault`() throws {
        var trial = Trial([try Sample.change(1), try Sample.change(2)])
        _ = trial.step()
        trial.delivery.weighed([.weighed(mark: nil, verdicts: [.applied])])
        #expect(trial.step() == "failed internalFault")
    }

    @Test(arguments: [0, 2])
    func `another number of verdicts is a fault`(count: Int) throws {
        var trial = Trial([try Sample.change(1)])
        _ = trial.step()
        trial.delivery.weighed([.weighed(mark: nil, verdicts: [Verdict](repeating: .applied, count: count))])
        #expect(trial.step() == "failed internalFault")
        #expect(trial.outcomes == [nil])
    }

    @Test func `results for another number of plain writes are a fault`() throws {
        var trial = single([try Sample.change(1)])
        _ = trial.step()
        trial.delivery.written([])
        #expect(trial.step() == "failed internalFault")
    }

    @Test func `another number of versions is a fault, not asked for again`() throws {
        var trial = Trial([try Sample.change(5, age: .seconds(-60))], sentThrough: 4)
        #expect(trial.step() == "restamp")
        trial.delivery.restamped([])
        #expect(trial.step() == "failed internalFault")
    }

    @Test func `another number of views or resolutions is a fault, not asked for again`() throws {
        let seen = try Sample.fingerprint([9])
        var trial = Trial([try Sample.change(1), try Sample.change(2)])
        _ = trial.step()
        trial.weigh { _ in .foreign(seen) }
        #expect(trial.step() == "inspect")
        var unseen = trial
        unseen.inspect([9])
        #expect(unseen.step() == "failed internalFault")
        trial.delivery.inspected(
            [RemoteView(entry: nil, record: nil), RemoteView(entry: nil, record: nil)], at: Sample.now
        ) {
            _, _ throws(CacheError) in throw CacheError(.decoding, "not opened")
        }
        #expect(trial.step() == "resolve")
        trial.delivery.resolved([true])
        #expect(trial.step() == "failed internalFault")
    }
}
