internal import CacheKit
internal import CacheKitCore

/// Checks of the feed, the watermark, and what maintenance and closing may do.
extension LocalStoreConformance {
    func compactsFeed(_ store: any LocalStore) async throws {
        try await store.commit([put("a", [1]), put("b", [1]), put("c", [1])])
        try await store.commit([put("a", [2])])
        try await store.commit([put("b", [2]), put("b", [3])])
        let feed = try await feed(store)
        try require(feed.map(\.key.string) == ["c", "a", "b"], "each key stands once, by its latest change")
        try require(feed.map(\.entry.value) == [[1], [2], [3]], "the feed has what the store holds now")
        try require(feed.map(\.entry.sequence.number) == [3, 4, 6], "the feed is ordered by sequence")
    }

    func feedKeepsLimits(_ store: any LocalStore) async throws {
        let value = [UInt8](repeating: 5, count: 100)
        for number in 0..<30 { try await store.commit([put("key:\(number)", value)]) }
        for (limit, byteLimit) in [(7, 1 << 20), (1000, 250), (1000, 1), (3, 250)] {
            var sequences: [UInt64] = []
            while let page = Optional(
                try await store.changes(
                    after: ChangeSequence(sequences.last ?? 0), origin: .local, limit: limit, byteLimit: byteLimit)),
                !page.isEmpty
            {
                try require(page.count <= limit, "a page has at most as many changes as asked for")
                // About the bytes asked for: one value more or less.
                try require((page.count - 1) * value.count <= byteLimit, "a page stops after about the bytes asked for")
                sequences += page.map(\.entry.sequence.number)
                try require(sequences.count <= 30, "no change is in two pages")
            }
            try require(sequences == (1...30).map { UInt64($0) }, "the pages together hold every change once")
        }
        let none = try await store.changes(after: .zero, origin: nil, limit: 0, byteLimit: 100)
        try require(none.isEmpty, "a limit of 0 gives nothing")
        let end = try await store.changes(after: ChangeSequence(.max), origin: nil, limit: 9, byteLimit: 100)
        try require(end.isEmpty, "nothing comes after the last change")
    }

    func feedsKeysAlone(_ store: any LocalStore) async throws {
        for number in 0..<30 { try await store.commit([put("key:\(number % 10)", [UInt8(number)])]) }
        try await store.fill([RemoteFill(change: put("filled", [1]), expected: nil)])
        try await store.commit([delete("key:3")])
        let latest = try await feed(store)
        try require(latest.count == 11, "each key stands once")
        for limit in [1, 3, 11, 1000] {
            var keys: [ChangedKeys.Element] = []
            var seen = ChangeSequence.zero
            var pages = 0
            while true {
                let page = try await store.changedKeys(after: seen, limit: limit)
                try require(page.keys.count <= limit, "a page has at most as many keys as asked for")
                try require(page.unreadable == 0, "every row of an intact store can be read")
                keys += page.keys
                guard page.through > seen else { break }
                seen = page.through
                pages += 1
                try require(pages <= 20, "the pages come to an end")
            }
            try require(keys.map(\.key) == latest.map(\.key), "the keys are those of the feed, in its order")
            try require(
                keys.map(\.sequence) == latest.map(\.entry.sequence), "each key stands under its latest change")
            try require(seen.number == 32, "the last page ends with the last change")
        }
        let none = try await store.changedKeys(after: ChangeSequence(7), limit: 0)
        try require(none.keys.isEmpty && none.through.number == 7, "a limit of 0 gives nothing and goes nowhere")
    }

    func watermarkNeverFalls(_ store: any LocalStore) async throws {
        try require(try await store.watermark() == .zero, "the watermark of an empty store is 0")
        try await store.commit([put("a", [1]), put("b", [1]), put("c", [1])])
        for (settled, expected) in [(2, 2), (1, 2), (0, 2), (2, 2), (3, 3), (1, 3)] as [(UInt64, UInt64)] {
            try await store.settle(Settlement(through: ChangeSequence(settled)))
            try require(try await store.watermark().number == expected, "the watermark moves up only")
        }
        try require(try await store.lastSequence().number == 3, "settling is no change")
        try require(try await feed(store).count == 3, "settling keeps the rows")
    }

    func settlesWithDeadLetters(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([
            put("settled", [1], life: .seconds(1)), put("refused", [2], life: .seconds(1)),
        ])
        let letter = DeadLetter(
            sequence: sequences[1], key: try CacheKey("refused"), reason: CacheError(.remoteRejected, "refused"))
        try await store.settle(Settlement(through: sequences[1], deadLetters: [letter]))
        try require(try await store.watermark() == sequences[1], "a dead letter has its outcome")
        try require(try await store.statistics().deadLetters == 1, "dead letters are counted")
        try require(try await store.backlog().changes == 0, "a dead letter waits no more")
        clock.advance(by: .seconds(3600))
        try await maintain(store)
        try require(try await entry("refused", store)?.value == [2], "the row of a dead letter stays for a person")
    }

    func countsBacklog(_ store: any LocalStore) async throws {
        let none = Backlog(changes: 0, bytes: 0, oldest: nil)
        try require(try await store.backlog() == none, "nothing waits in an empty store")
        let sealed = ValueForm.sealed(KeyFingerprint(high: 1, low: 2))
        let start = clock.now()
        try await store.commit([put("a", [UInt8](repeating: 1, count: 100), form: sealed)])
        clock.advance(by: .seconds(5))
        let second = clock.now()
        let last = try await store.commit([put("b", [UInt8](repeating: 1, count: 50), form: sealed), delete("c")])
        try await store.fill([RemoteFill(change: put("d", [1], form: sealed), expected: nil)])
        let all = Backlog(changes: 3, bytes: 150, oldest: start)
        try require(try await store.backlog() == all, "the backlog has every change that waits, and no fill")
        try await store.settle(Settlement(through: ChangeSequence(1)))
        let rest = Backlog(changes: 2, bytes: 50, oldest: second)
        try require(try await store.backlog() == rest, "the backlog has only what is above the watermark")
        try require(try await store.statistics().backlog == rest, "statistics have the same backlog")
        try await store.settle(Settlement(through: last[1]))
        try require(try await store.backlog() == none, "nothing waits once everything is settled")
    }

    func leaseIsExclusive(_ store: any LocalStore) async throws {
        guard let first = try await store.acquirePusherLease() else {
            return try require(false, "a free lease is given")
        }
        try require(try await store.acquirePusherLease() == nil, "the lease has one holder")
        first.release()
        first.release()
        guard let second = try await store.acquirePusherLease() else {
            return try require(false, "a released lease is given again")
        }
        first.release()
        try require(try await store.acquirePusherLease() == nil, "an old holder can't release the next one's lease")
        second.release()
    }

    func maintenanceSparesPendingChanges(_ store: any LocalStore) async throws {
        var expected: [UInt64] = []
        for number in 0..<40 {
            let isDelete = number % 5 == 0
            let change =
                try isDelete ? delete("key:\(number)", life: .seconds(1)) : put("key:\(number)", [1], life: .zero)
            expected += try await store.commit([change]).map(\.number)
        }
        try await store.settle(Settlement(through: ChangeSequence(10)))
        clock.advance(by: .seconds(100_000))
        try await maintain(store)
        let pending = try await store.changes(after: ChangeSequence(10), origin: .local, limit: 100, byteLimit: 1 << 20)
        try require(
            pending.map(\.entry.sequence.number) == Array(expected.dropFirst(10)),
            "maintenance loses no change that waits")
        try require(try await store.backlog().changes == 30, "maintenance leaves the backlog as it is")
        try require(try await entry("key:39", store)?.value == [1], "a value that waits can still be read")
    }

    func ownCommitsAreNotForeign(_ store: any LocalStore) async throws {
        _ = try await store.hasForeignCommits()
        for number in 0..<5 {
            try await store.commit([put("key:\(number)", [1])])
            try require(try await !store.hasForeignCommits(), "a store's own commit is not another process's")
        }
    }

    func refusesAfterClose(_ store: any LocalStore) async throws {
        let change = try put("key", [1])
        try await store.commit([change])
        await store.close()
        let calls: [(String, @Sendable () async throws(CacheError) -> Void)] = [
            ("read", { () async throws(CacheError) in _ = try await store.read([change.key]) }),
            ("commit", { () async throws(CacheError) in _ = try await store.commit([change]) }),
            (
                "fill",
                { () async throws(CacheError) in
                    _ = try await store.fill([RemoteFill(change: change, expected: nil)])
                }
            ),
            (
                "changes",
                { () async throws(CacheError) in
                    _ = try await store.changes(after: .zero, origin: nil, limit: 1, byteLimit: 1)
                }
            ),
            (
                "changedKeys",
                { () async throws(CacheError) in _ = try await store.changedKeys(after: .zero, limit: 1) }
            ),
            ("settle", { () async throws(CacheError) in try await store.settle(Settlement(through: .zero)) }),
            ("sendingState", { () async throws(CacheError) in _ = try await store.sendingState() }),
            (
                "beginSending",
                { () async throws(CacheError) in try await store.beginSending(through: .zero, fence: nil) }
            ),
            (
                "settledChanges",
                { () async throws(CacheError) in
                    _ = try await store.settledChanges(after: .zero, through: .zero, limit: 1, byteLimit: 1)
                }
            ),
            (
                "resolve",
                { () async throws(CacheError) in
                    _ = try await store.resolve([
                        Resolution(sequence: ChangeSequence(1), winner: change, loss: .stale)
                    ])
                }
            ),
            (
                "restamp",
                { () async throws(CacheError) in
                    let stamp = Restamp(key: change.key, sequence: ChangeSequence(1))
                    _ = try await store.restamp([stamp], at: .init(milliseconds: 0))
                }
            ),
            ("reidentify", { () async throws(CacheError) in _ = try await store.reidentify() }),
            (
                "rows",
                { () async throws(CacheError) in
                    _ = try await store.rows(
                        sealedUnderOtherThan: KeyFingerprint(high: 1, low: 2), after: nil, limit: 1, byteLimit: 1)
                }
            ),
            ("backlog", { () async throws(CacheError) in _ = try await store.backlog() }),
            ("maintain", { () async throws(CacheError) in _ = try await store.maintain() }),
            ("acquirePusherLease", { () async throws(CacheError) in _ = try await store.acquirePusherLease() }),
        ]
        for (name, call) in calls {
            var code: CacheError.Code?
            do throws(CacheError) {
                try await call()
            } catch {
                code = error.code
            }
            try require(code == .shutdown, "after closing, \(name) throws shutdown")
        }
    }
}
