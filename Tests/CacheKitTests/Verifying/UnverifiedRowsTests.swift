import CacheKitCore
import Testing

@testable import CacheKit

struct UnverifiedRowsTests {
    private func hash(_ number: Int) -> Hash128 { Hash128("\(number)") }

    @Test func `rows up to the last sequence of a gap are unverified, later ones are not`() {
        let rows = UnverifiedRows()
        #expect(rows.openGap == nil)
        #expect(rows.standing(hash(1), ChangeSequence(5)) == .verified)
        rows.everything()
        #expect(rows.standing(hash(1), ChangeSequence(.max)) == .unverified)
        let gap = rows.openGap
        rows.close(gap ?? 0, through: ChangeSequence(5))
        #expect(rows.openGap == nil)
        #expect(rows.standing(hash(1), ChangeSequence(5)) == .unverified)
        #expect(rows.standing(hash(1), ChangeSequence(6)) == .verified)
    }

    @Test func `a second gap is not closed by what was asked for the first`() {
        let rows = UnverifiedRows()
        rows.everything()
        let first = rows.openGap
        rows.everything()
        rows.close(first ?? 0, through: ChangeSequence(5))
        #expect(rows.openGap != nil)
        #expect(rows.standing(hash(1), ChangeSequence(6)) == .unverified)
    }

    @Test func `an answer verifies a key only if nothing was heard since the question`() {
        let rows = UnverifiedRows()
        rows.changed([hash(1)])
        var asked = rows.moment
        rows.changed([hash(1)])
        rows.found(hash(1), asked: asked)
        #expect(rows.standing(hash(1), ChangeSequence(1)) == .unverified)
        asked = rows.moment
        rows.found(hash(1), asked: asked)
        #expect(rows.standing(hash(1), ChangeSequence(1)) == .verified)
        // The row is newer than the gap, its content is not.
        rows.everything()
        rows.close(rows.openGap ?? 0, through: ChangeSequence(1))
        rows.found(hash(1), asked: asked)
        #expect(rows.standing(hash(1), ChangeSequence(2)) == .unverified)
    }

    @Test func `a key that the remote does not have is gone until it is found again`() {
        let rows = UnverifiedRows()
        rows.changed([hash(1)])
        let asked = rows.moment
        rows.absent(hash(1), asked: asked)
        #expect(rows.standing(hash(1), ChangeSequence(1)) == .gone)
        rows.everything()
        #expect(rows.standing(hash(1), ChangeSequence(1)) == .gone)
        rows.found(hash(1), asked: rows.moment)
        rows.close(rows.openGap ?? 0, through: .zero)
        #expect(rows.standing(hash(1), ChangeSequence(1)) == .verified)
    }

    @Test func `more keys than are remembered count as a gap`() {
        let rows = UnverifiedRows()
        rows.changed((0..<UnverifiedRows.maximumMarks).map(hash))
        #expect(rows.openGap == nil)
        #expect(rows.standing(hash(-1), ChangeSequence(1)) == .verified)
        rows.changed([hash(-1)])
        #expect(rows.openGap != nil)
        #expect(rows.standing(hash(0), ChangeSequence(1)) == .unverified)
    }
}
