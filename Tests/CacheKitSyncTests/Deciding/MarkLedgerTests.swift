import CacheKit
import Testing

@testable import CacheKitSync

struct MarkLedgerTests {
    private func ledger(_ marks: [Int: UInt64] = [1: 10, 2: 20]) -> MarkLedger {
        MarkLedger(bucketCount: 4, RemoteMarks(bucketCount: 4, sequences: marks))
    }

    @Test(
        arguments: [
            (10, .asExpected), (15, .asExpected), (30, .asExpected), (31, .higher), (9, .lost(from: 9)),
            (nil, .lost(from: 0)),
            (1, .lost(from: 0)),
        ] as [(UInt64?, MarkLedger.Finding)])
    func `a mark is weighed against what was acknowledged and what was sent`(
        found: UInt64?, finding: MarkLedger.Finding
    ) {
        var ledger = ledger()
        #expect(ledger.weigh(found, bucket: 1, sentThrough: ChangeSequence(30)) == finding)
    }

    @Test func `where nothing is expected nothing can be lost, but there may be too much`() {
        var ledger = ledger()
        #expect(ledger.weigh(nil, bucket: 3, sentThrough: ChangeSequence(30)) == .asExpected)
        #expect(ledger.weigh(31, bucket: 3, sentThrough: ChangeSequence(30)) == .higher)
    }

    @Test func `a bucket that lost twice is sent everything above the lower mark`() {
        var ledger = ledger()
        _ = ledger.weigh(8, bucket: 1, sentThrough: ChangeSequence(30))
        _ = ledger.weigh(4, bucket: 1, sentThrough: ChangeSequence(30))
        _ = ledger.weigh(6, bucket: 1, sentThrough: ChangeSequence(30))
        #expect(ledger.lost == [1: 4])
    }

    @Test func `marks move up with acknowledgements, but not in a bucket that lost something`() {
        var ledger = ledger()
        ledger.acknowledged(12, bucket: 1)
        ledger.acknowledged(11, bucket: 1)
        #expect(ledger.expectedMark(of: 1) == 12)
        _ = ledger.weigh(3, bucket: 1, sentThrough: ChangeSequence(30))
        ledger.acknowledged(14, bucket: 1)
        #expect(ledger.expectedMark(of: 1) == 12)
        ledger.recovered(1)
        ledger.acknowledged(14, bucket: 1)
        #expect(ledger.expectedMark(of: 1) == 14)
    }

    @Test func `a loss that is not mended leaves the bucket as it was found`() {
        var ledger = ledger()
        _ = ledger.weigh(3, bucket: 1, sentThrough: ChangeSequence(30))
        _ = ledger.weigh(nil, bucket: 2, sentThrough: ChangeSequence(30))
        ledger.forget(1)
        ledger.forget(2)
        #expect(ledger.lost.isEmpty)
        #expect(ledger.expectedMark(of: 1) == 3)
        #expect(ledger.expectedMark(of: 2) == 0)
        #expect(ledger.weigh(nil, bucket: 2, sentThrough: ChangeSequence(30)) == .asExpected)
    }

    @Test func `what another process acknowledged is taken in, lower marks and newer knowledge are not`() {
        var ledger = ledger()
        ledger.learn(RemoteMarks(bucketCount: 4, sequences: [1: 5, 2: 25, 3: 7]), except: [3])
        #expect(ledger.expected == [1: 10, 2: 25])
        ledger.learn(RemoteMarks(bucketCount: 16, sequences: [1: 99]))
        ledger.learn(nil)
        #expect(ledger.expected == [1: 10, 2: 25])
    }

    @Test func `marks of another number of buckets say nothing`() {
        let ledger = MarkLedger(bucketCount: 4, RemoteMarks(bucketCount: 256, sequences: [1: 10]))
        #expect(ledger.expected.isEmpty)
    }
}
