import CacheKitCore
import Testing

@testable import CacheKit

/// What the remote's answer says of a row: docs/sync.md, "Coming back from Redis".
struct RowFindingTests {
    private static let now = Timestamp(milliseconds: 1_000_000)
    private static let later = now.advanced(by: .seconds(60))

    private func version(_ stamp: UInt64) -> Version { Version(stamp: stamp, node: 1) }

    private func row(
        _ value: [UInt8]? = [1], _ stamp: UInt64 = 5, origin: EntryOrigin = .remote, ends: Timestamp = later,
        base: [UInt8]? = nil
    ) throws -> StoredEntry {
        StoredEntry(
            value: value, form: .plain, mode: .interop, version: stamp == 0 ? .unknown : version(stamp),
            sequence: ChangeSequence(1), origin: origin, expiresAt: ends, staleAt: ends,
            base: try base.map { [try ValueFingerprint(of: $0, form: .plain)] } ?? [])
    }

    private func view(
        _ value: [UInt8]?, _ stamp: UInt64? = nil, of recorded: [UInt8]? = nil, kind: RemoteRecord.Kind = .value,
        remaining: Duration? = .seconds(60), ends: Timestamp = later
    ) throws -> RemoteView {
        let fingerprint = try (recorded ?? value).map { try ValueFingerprint(of: $0, form: .plain) }
        return RemoteView(
            entry: value.map { RemoteEntry(value: $0, remaining: remaining) },
            record: stamp.map {
                RemoteRecord(
                    version: version($0), kind: kind, fingerprint: kind == .value ? fingerprint ?? .none : .none,
                    expiresAt: ends)
            })
    }

    private func weigh(_ row: StoredEntry?, _ view: RemoteView, lost: Bool = false) -> RowFinding {
        RowFinding(row, view, recordsMayBeLost: lost, now: Self.now)
    }

    private func replaced(_ value: [UInt8], _ stamp: UInt64) -> RowFinding {
        .replaced(
            RemoteEntry(value: value, remaining: .seconds(60)), stamp == 0 ? .unknown : version(stamp))
    }

    @Test func `without a row, what is there is taken with its version, and a tombstone is kept`() throws {
        #expect(try weigh(nil, view([2], 7)) == replaced([2], 7))
        #expect(try weigh(nil, view([2])) == replaced([2], 0))
        #expect(try weigh(nil, view([2], 7, of: [3])) == replaced([2], 0))
        #expect(try weigh(nil, view(nil, 7, kind: .tombstone)) == .deleted(version(7), forgottenAt: Self.later))
        #expect(try weigh(nil, view(nil)) == .stands(until: nil))
        #expect(try weigh(nil, view(nil, 7, of: [3])) == .stands(until: nil))
    }

    @Test func `the same value stands, for no longer than it lives there`() throws {
        #expect(try weigh(row(), view([1], 5)) == .stands(until: Self.later))
        #expect(
            try weigh(row(), view([1], 5, remaining: .seconds(3))) == .stands(until: Self.now.advanced(by: .seconds(3)))
        )
        #expect(try weigh(row(), view([1], remaining: nil)) == .stands(until: nil))
        // Once its life was over here, it is taken anew.
        #expect(try weigh(row(ends: Self.now), view([1], 5)) == replaced([1], 5))
    }

    @Test func `a newer version replaces a row, an older one means that the remote is behind`() throws {
        #expect(try weigh(row(), view([2], 6)) == replaced([2], 6))
        #expect(try weigh(row(), view([2], 4)) == .behind)
        #expect(try weigh(row(nil), view([2], 4)) == .behind)
        #expect(try weigh(row(origin: .local), view([2], 4)) == .behind)
        // Sealed anew here since: the same version is the same value.
        #expect(try weigh(row(), view([2], 5)) == .stands(until: Self.later))
    }

    @Test func `a value without a version replaces a row unless the row had replaced it`() throws {
        #expect(try weigh(row(), view([2], 5, of: [1])) == replaced([2], 0))
        #expect(try weigh(row(), view([2], 5, kind: .tombstone)) == replaced([2], 0))
        #expect(try weigh(row(base: [2]), view([2], 5, of: [1])) == replaced([2], 0))
        #expect(try weigh(row(base: [2]), view([2], 4, of: [3])) == .behind)
        #expect(try weigh(row(base: [2]), view([2])) == .behind)
        #expect(try weigh(row(), view([2])) == replaced([2], 0))
        // A row without a version gives way to anything.
        #expect(try weigh(row([1], 0), view([2], 4)) == replaced([2], 4))
    }

    @Test func `a change that ended before it was sent is no reason to call the remote behind`() throws {
        let ended = try row(origin: .local, ends: Self.now)
        #expect(try weigh(ended, view([2], 4)) == replaced([2], 4))
        #expect(try weigh(ended, view([2], 4), lost: true) == .behind)
    }

    @Test func `nothing there and no record drops a row, unless records may be lost`() throws {
        #expect(try weigh(row(), view(nil)) == .gone(after: Version(stamp: 5, node: 0)))
        #expect(try weigh(row(), view(nil), lost: true) == .unknown)
        #expect(try weigh(row([1], 0), view(nil), lost: true) == .gone(after: .unknown))
        #expect(try weigh(row(nil), view(nil)) == .stands(until: nil))
        #expect(try weigh(row(ends: Self.now), view(nil)) == .stands(until: nil))
        #expect(try weigh(row(), view([2]), lost: true) == .unknown)
    }

    @Test func `a tombstone drops a row, a live record of the row keeps it`() throws {
        #expect(try weigh(row(), view(nil, 6, kind: .tombstone)) == .deleted(version(6), forgottenAt: Self.later))
        #expect(try weigh(row(), view(nil, 4, kind: .tombstone)) == .behind)
        #expect(try weigh(row(nil, 6), view(nil, 6, kind: .tombstone)) == .stands(until: nil))
        // Evicted there.
        #expect(try weigh(row(), view(nil, 5, of: [1])) == .stands(until: nil))
        #expect(try weigh(row([1], 0), view(nil, 5, of: [1])) == .stands(until: nil))
        // What was evicted is something newer, or its life is over.
        #expect(try weigh(row(), view(nil, 6, of: [2])) == .gone(after: Version(stamp: 6, node: 0)))
        #expect(try weigh(row(), view(nil, 5, of: [1], ends: Self.now)) == .gone(after: Version(stamp: 5, node: 0)))
        #expect(try weigh(row(), view(nil, 4, of: [2])) == .behind)
    }

    /// A row whose life is over, and which is kept for another minute.
    private func stale(_ stamp: UInt64 = 5, origin: EntryOrigin = .remote) throws -> StoredEntry {
        var row = try row([1], stamp, origin: origin)
        row.staleAt = Self.now.advanced(by: .seconds(-1))
        return row
    }

    @Test(arguments: [EntryOrigin.local, .remote])
    func `a stale value stays one where the remote let it expire, or forgot it`(origin: EntryOrigin) throws {
        let over = Self.now.advanced(by: .seconds(-1))
        #expect(try weigh(stale(origin: origin), view(nil, 5, of: [1], ends: over)) == .stands(until: nil))
        #expect(try weigh(stale(origin: origin), view(nil)) == .stands(until: nil))
        #expect(try weigh(stale(origin: origin), view(nil), lost: true) == .stands(until: nil))
        #expect(try weigh(stale(origin: origin), view(nil, 4, of: [9])) == .stands(until: nil))
        // Written without a version over a record, and read so.
        #expect(try weigh(stale(0), view(nil, 5, of: [9])) == .stands(until: nil))
        // Its own, which was over when it was sent.
        #expect(try weigh(stale(origin: origin), view(nil, 5, kind: .tombstone)) == .stands(until: nil))
    }

    @Test func `a stale value goes where the remote has something newer, had it, or was told to delete it`() throws {
        #expect(try weigh(stale(), view([2], 7)) == replaced([2], 7))
        #expect(try weigh(stale(), view([2])) == replaced([2], 0))
        #expect(try weigh(stale(), view(nil, 7, kind: .tombstone)) == .deleted(version(7), forgottenAt: Self.later))
        #expect(try weigh(stale(), view(nil, 7, of: [2])) == .gone(after: version(7).floor))
        #expect(try weigh(stale(), view(nil, 7, of: [1])) == .stands(until: nil))
        // Its life was made longer there.
        #expect(try weigh(stale(), view([1], 5)) == replaced([1], 5))
    }

    @Test func `a life that ended there a moment earlier leaves a stale value, where one is kept`() throws {
        let over = Self.now.advanced(by: .milliseconds(-5))
        var row = try row()
        #expect(try weigh(row, view(nil, 5, of: [1], ends: over)) == .gone(after: version(5).floor))
        row.staleAt = Self.now.advanced(by: .seconds(30))
        #expect(try weigh(row, view(nil, 5, of: [1], ends: over)) == .stands(until: over))
    }

    @Test func `that there is no value holds until one comes, or a delete`() throws {
        for stamp in [0, 5] as [UInt64] {
            var row = try row([], stamp)
            row.isNegative = true
            #expect(try weigh(row, view(nil)) == .stands(until: nil))
            #expect(try weigh(row, view(nil), lost: true) == .stands(until: nil))
            #expect(try weigh(row, view([2], 7)) == replaced([2], 7))
            #expect(try weigh(row, view([2])) == replaced([2], 0))
            #expect(try weigh(row, view([])) == replaced([], 0))
            #expect(try weigh(row, view(nil, 7, of: [1])) == .stands(until: nil))
            #expect(try weigh(row, view(nil, 7, kind: .tombstone)) == .deleted(version(7), forgottenAt: Self.later))
        }
        var row = try row([], 5)
        row.isNegative = true
        // It was found after that delete, and is not to give way to what was there before it.
        #expect(try weigh(row, view(nil, 5, kind: .tombstone)) == .stands(until: nil))
        #expect(try weigh(row, view([1], 4)) == .unknown)
    }
}
