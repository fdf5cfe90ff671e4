import CacheKit
import Testing

@testable import CacheKitSync

struct MarkLedgerTests {
    private func ledger(_ sequences: [Int: UInt64] = [1: 10, 2: 20]) -> MarkLedger {
        var ledger = MarkLedger(bucketCount: 4)
        ledger.learn(RemoteMarks(bucketCount: 4, sequences: sequences.mapValues(MarkLedger.mark(of:))))
        return ledger
    }

    private func weigh(_ ledger: inout MarkLedger, _ sequence: UInt64?, _ bucket: Int = 1) -> MarkLedger.Finding {
        ledger.weigh(sequence.map(MarkLedger.mark(of:)), bucket: bucket, sentThrough: ChangeSequence(30))
    }

    @Test(
        arguments: [
            (10, .asExpected), (15, .asExpected), (30, .asExpected), (31, .higher), (9, .lost), (nil, .lost),
            (0, .lost),
        ] as [(UInt64?, MarkLedger.Finding)])
    func `a mark is weighed against what was acknowledged and what was sent`(
        found: UInt64?, finding: MarkLedger.Finding
    ) {
        var ledger = ledger()
        #expect(weigh(&ledger, found) == finding)
    }

    @Test func `where nothing is expected nothing can be lost, but there may be too much`() {
        var ledger = ledger()
        #expect(weigh(&ledger, nil, 3) == .asExpected)
        #expect(weigh(&ledger, 31, 3) == .higher)
    }

    @Test func `each push to a bucket expects what the one before it left`() {
        var ledger = ledger()
        #expect(ledger.take(1, through: 12) == (MarkLedger.mark(of: 10), MarkLedger.mark(of: 12)))
        #expect(ledger.take(1, through: 17) == (MarkLedger.mark(of: 12), MarkLedger.mark(of: 17)))
        #expect(ledger.take(3, through: 5) == (0, MarkLedger.mark(of: 5)))
    }

    @Test func `in a bucket that lost something each push leaves a mark of its own, and the sequence waits`() {
        var ledger = ledger()
        _ = weigh(&ledger, 4)
        let floor = MarkLedger.mark(of: 4)
        #expect(ledger.lost[1] == MarkLedger.Loss(start: 4, floor: floor))
        #expect(ledger.take(1, through: 12) == (floor, floor + 1))
        #expect(ledger.take(1, through: 13) == (floor + 1, floor + 2))
    }

    @Test func `a bucket that goes back to a state from before is found to have lost again`() {
        var ledger = ledger()
        _ = weigh(&ledger, 4)
        let floor = MarkLedger.mark(of: 4)
        ledger.acknowledged(12, bucket: 1, mark: floor + 1, moved: true)
        #expect(ledger.weigh(floor + 1, bucket: 1, sentThrough: ChangeSequence(30)) == .asExpected)
        #expect(ledger.weigh(floor, bucket: 1, sentThrough: ChangeSequence(30)) == .lost)
        #expect(ledger.lost[1] == MarkLedger.Loss(start: 4, floor: floor))
    }

    @Test func `a bucket that comes back to a later state than the one it was sent to may lack anything`() {
        var ledger = ledger()
        _ = weigh(&ledger, 4)
        #expect(weigh(&ledger, 9) == .lost)
        #expect(ledger.lost[1] == MarkLedger.Loss(start: 0, floor: MarkLedger.mark(of: 9)))
    }

    @Test func `what is acknowledged is expected, in a bucket that lost something too`() {
        var ledger = ledger()
        _ = weigh(&ledger, 3)
        ledger.acknowledged(14, bucket: 1, mark: 0, moved: false)
        ledger.acknowledged(12, bucket: 1, mark: 0, moved: false)
        #expect(ledger.expected[1] == MarkLedger.mark(of: 14))
        ledger.recovered(1, mark: MarkLedger.mark(of: 16))
        #expect(ledger.lost.isEmpty)
        #expect(ledger.expected[1] == MarkLedger.mark(of: 16))
    }

    @Test func `a loss that is not mended leaves the bucket as it was found`() {
        var ledger = ledger()
        _ = weigh(&ledger, 3)
        _ = weigh(&ledger, nil, 2)
        ledger.forget(1)
        ledger.forget(2)
        #expect(ledger.lost.isEmpty)
        #expect(ledger.expected == [1: MarkLedger.mark(of: 3), 2: 0])
        #expect(weigh(&ledger, nil, 2) == .asExpected)
    }

    @Test func `where nothing is known everything is lost until the last bucket has recovered`() {
        var ledger = MarkLedger(bucketCount: 2)
        ledger.loseAll()
        #expect(ledger.isUnknown)
        ledger.recovered(0, mark: 5)
        #expect(ledger.isUnknown)
        ledger.recovered(1, mark: 5)
        #expect(!ledger.isUnknown)
    }

    @Test func `what another process acknowledged is taken in, lower marks and newer knowledge are not`() {
        var ledger = ledger()
        ledger.learn(
            RemoteMarks(bucketCount: 4, sequences: [1: 5, 2: 25, 3: 7].mapValues(MarkLedger.mark(of:))), except: [3])
        #expect(ledger.expected == [1: 10, 2: 25].mapValues(MarkLedger.mark(of:)))
        ledger.learn(RemoteMarks(bucketCount: 16, sequences: [1: .max]))
        ledger.learn(nil)
        #expect(ledger.expected == [1: 10, 2: 25].mapValues(MarkLedger.mark(of:)))
    }
}
