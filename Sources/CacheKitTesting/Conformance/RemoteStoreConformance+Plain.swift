internal import CacheKit
internal import CacheKitCore

/// Checks of plain keys and values.
extension RemoteStoreConformance {
    func readsOwnWrites(_ store: any RemoteStore) async throws {
        let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let values: [[UInt8]] = [[], Array(0...255), large, Array("\r\n$-1\r\n".utf8), [0]]
        let names = ["a", "ключ ключ", "with\r\nline", String(repeating: "k", count: 1_024), "{tag}:b"]
        try await write(store, zip(names, values).map { try put($0, $1) })
        let keys = try names.map { try CacheKey($0) }
        let order = [4, 2, 0, 3, 1, 2]
        let read = try await store.read(order.map { keys[$0] } + [CacheKey("nobody")])
        try require(read.count == order.count + 1, "every key that is read has an answer")
        try require(
            read.dropLast().map { $0?.value } == order.map { values[$0] },
            "what was written is read back, in the order of the keys")
        try require(read.last == .some(nil), "a key that nobody wrote reads as nothing")
        let found = try await store.contains([keys[1], CacheKey("nobody"), keys[0]])
        try require(found == [true, false, true], "whether keys exist is said in their order")
    }

    func writesInOrder(_ store: any RemoteStore) async throws {
        try await write(store, [put("a", [1]), put("b", [1]), delete("a"), put("b", [2]), put("a", [3]), delete("c")])
        let read = try await store.read([CacheKey("a"), CacheKey("b"), CacheKey("c")]).map { $0?.value }
        try require(read == [[3], [2], nil], "writes of a key take effect in their order")
    }

    func keepsLives(_ store: any RemoteStore) async throws {
        func life() async throws -> Duration {
            try await store.read([CacheKey("k")]).first??.remaining ?? .seconds(1 << 40)
        }
        try await write(store, [put("k", [1], life: .seconds(100))])
        let first = try await life()
        try require(first <= .seconds(100) && first > .seconds(60), "a value lives as long as its write says")
        try await write(store, [put("k", [2], life: .seconds(1_000))])
        let second = try await life()
        try require(second <= .seconds(1_000) && second > .seconds(900), "a next put gives a next life")
        try await write(store, [put("k", [3], life: .seconds(30))])
        try require(try await life() <= .seconds(30), "a next put may give a shorter life")
    }

    func expiresValues(_ store: any RemoteStore) async throws {
        try await write(store, [put("short", [1], life: .milliseconds(100)), put("long", [2])])
        await pass(.milliseconds(150))
        let keys = try [CacheKey("short"), CacheKey("long")]
        try require(try await store.read(keys).map { $0?.value } == [nil, [2]], "what has expired is gone")
        try require(try await store.contains(keys) == [false, true], "what has expired does not exist")
    }

    func movesEnds(_ store: any RemoteStore) async throws {
        func expire(_ key: String, _ life: Duration) throws -> RemoteWrite {
            RemoteWrite(key: try CacheKey(key), action: .expire(timeToLive: life))
        }
        try await write(store, [put("k", [1]), put("short", [2])])
        let moved = try await store.write([expire("k", .seconds(1_000)), expire("nobody", .seconds(10))])
        guard moved.count == 2, case .applied = moved[0], case .missing = moved[1] else {
            return try require(false, "where there is nothing, no life is moved, and that is said")
        }
        try await write(store, [expire("short", .milliseconds(100))])
        await pass(.milliseconds(150))
        let read = try await store.read([CacheKey("k"), CacheKey("nobody"), CacheKey("short")])
        try require(read.map { $0?.value } == [[1], nil, nil], "a life ends when it is said to")
        try require(read[0]?.remaining ?? .zero > .seconds(900), "a life is made longer, and the value stays")
    }

    func deletes(_ store: any RemoteStore) async throws {
        try await write(store, [put("a", [1]), put("b", [2])])
        try await write(store, [delete("a"), delete("nobody")])
        let found = try await store.contains([CacheKey("a"), CacheKey("b")])
        try require(found == [false, true], "a delete removes its key and no other")
    }

    func takesNothing(_ store: any RemoteStore) async throws {
        try require(try await store.read([]).isEmpty, "no keys, no answers")
        try require(try await store.contains([]).isEmpty, "no keys, no answers")
        try require(try await store.write([]).isEmpty, "no writes, no results")
        try require(try await store.push([]).isEmpty, "no pushes, no answers")
        try require(try await store.inspect([]).isEmpty, "no keys, no views")
        try require(try await store.marks(of: Self.node, in: []).isEmpty, "no buckets, no marks")
    }

    func keepsCallersApart(_ store: any RemoteStore) async throws {
        try await write(store, (0..<200).map { try put("k\($0)", Array("v\($0)".utf8)) })
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<20 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<20 {
                        let numbers = (0..<5).map { (task &* 37 &+ round &* 11 &+ $0 &* 53) % 200 }
                        let read = try await store.read(numbers.map { try CacheKey("k\($0)") })
                        if read.map({ $0?.value }) != numbers.map({ Array("v\($0)".utf8) }) { wrong += 1 }
                    }
                    return wrong
                }
            }
            return try await group.reduce(0, +)
        }
        try require(wrong == 0, "concurrent callers get their own answers")
    }

    func listsKeys(_ store: any RemoteStore) async throws {
        let names = (0..<57).map { "a*b[\\]?:\($0)" }
        try await write(store, (names + ["aXb[\\]?:1", "a*b", "z"]).map { try put($0, [1]) })
        _ = try await push(store, [put(CacheKey("with:record"), Self.sealed(1), at: 5)])
        try require(try await allKeys("a*b[\\]?:", store) == Set(names), "all keys that begin so are listed, no others")
        let all = try await allKeys("", store)
        try require(
            all == Set(names + ["aXb[\\]?:1", "a*b", "z", "with:record"]), "names of the store's own are left out")
        try require(try await allKeys("nobody", store).isEmpty, "a prefix that no key has lists nothing")
    }

    private func allKeys(_ prefix: String, _ store: any RemoteStore) async throws -> Set<String> {
        var keys: Set<String> = []
        var cursor: RemoteKeyCursor?
        for _ in 0..<10_000 {
            let page = try await store.keys(withPrefix: prefix, after: cursor)
            keys.formUnion(page.keys.map(\.string))
            guard let next = page.next else { return keys }
            cursor = next
        }
        throw CacheError(.internalFault, "the store breaks a promise: the pages of keys come to an end")
    }

    func tellsItsTime(_ store: any RemoteStore) async throws {
        let before = try await store.survey().time
        await pass(.milliseconds(20))
        let after = try await store.survey().time
        try require(before.duration(to: after) >= .milliseconds(10), "its clock goes on")
        try require(before.duration(to: after) < .seconds(60), "its clock does not jump")
    }

    func givesFences(_ store: any RemoteStore) async throws {
        let note = try await store.fence(nil)
        try require(!note.isEmpty, "a note of its connections is given")
        _ = try await store.fence([1, 2, 3])
        try await write(store, [put("k", [1])])
        try require(try await store.contains([CacheKey("k")]) == [true], "it is used after a fence as before")
    }

    func refusesAfterClose(_ store: any RemoteStore) async throws {
        await store.close()
        await store.close()
        let key = try CacheKey("k")
        let calls: [(String, () async throws -> Void)] = [
            ("read", { _ = try await store.read([key]) }), ("contains", { _ = try await store.contains([key]) }),
            ("ping", { try await store.ping() }), ("keys", { _ = try await store.keys(withPrefix: "", after: nil) }),
            ("write", { try await self.write(store, [RemoteWrite(key: key, action: .delete)]) }),
            ("push", { _ = try await self.pushThrowing(store, key) }),
            ("inspect", { _ = try await store.inspect([key]) }), ("glance", { _ = try await store.glance([key]) }),
            ("trace", { _ = try await store.trace([key]) }), ("survey", { _ = try await store.survey() }),
            ("marks", { for mark in try await store.marks(of: 1, in: [0]) { _ = try mark.get() } }),
            ("sweep", { _ = try await store.sweep(bucket: 0, from: 0, endedBefore: Self.now) }),
        ]
        for (name, call) in calls {
            do {
                try await call()
            } catch let error as CacheError where error.code == .shutdown {
                continue
            }
            try require(false, "after closing, \(name) says so")
        }
    }

    private func pushThrowing(_ store: any RemoteStore, _ key: CacheKey) async throws {
        let answers = try await store.push([
            BucketPush(
                bucket: store.bucket(of: key), writes: [remove(key, at: 5)], node: 1, expectedMark: 0, mark: 1,
                recordsMayBeLost: false, now: Self.now)
        ])
        for case .failed(let error) in answers { throw error }
    }
}
