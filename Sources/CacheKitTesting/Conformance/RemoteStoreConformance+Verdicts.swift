internal import CacheKit
internal import CacheKitCore

/// Checks of how writes are weighed.
extension RemoteStoreConformance {
    func appliesFreshPuts(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        try await write(store, [put("k", Array("of somebody else".utf8))])
        let fresh = put(key, Self.sealed(1), at: 5)
        let answer = try await push(store, [fresh], mark: 9)
        try require(answer == Answer(mark: nil, verdicts: ["applied"]), "a fresh put is applied, whoever wrote before")
        let view = try await view(key, store)
        try require(view.entry?.value == Self.sealed(1), "a put stores its value")
        let life = view.entry?.remaining ?? .zero
        try require(life > .seconds(30) && life <= .seconds(60), "a put stores its life")
        try require(view.record == record(fresh), "a put leaves its record")
        let mark = try await store.marks(of: Self.node, in: [store.bucket(of: key)])[0].get()
        try require(mark == 9, "a push leaves its mark")
        try require(try await value(key, store) == Self.sealed(1), "what was pushed is read")
    }

    func leavesTombstones(_ store: any RemoteStore) async throws {
        let keys = try neighbours(2, store)
        try await write(store, [RemoteWrite(key: keys[0], action: .put([1], timeToLive: .seconds(60)))])
        let writes = keys.map { remove($0, at: 5) }
        let answer = try await push(store, writes)
        try require(answer.verdicts == ["applied", "applied"], "a fresh delete is applied, also where nothing is")
        try require(try await store.contains(keys) == [false, false], "a delete removes the value")
        let records = try await store.inspect(keys).map(\.record)
        try require(records == writes.map(record), "a delete leaves a tombstone")
    }

    func appliesExpiredPuts(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        _ = try await push(store, put(key, Self.sealed(1), at: 5))
        let over = remove(key, at: 6, expired: Self.tag(Self.sealed(2)))
        try require(try await push(store, over) == "applied", "a put whose life was over is applied")
        try require(try await value(key, store) == nil, "a put whose life was over deletes")
        try require(try await view(key, store).record == record(over), "its tombstone has its fingerprint")
        try require(try await push(store, over) == "already", "sent again it is known")
    }

    func knowsWhatIsSentAgain(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let first = put(key, Self.sealed(1), at: 5)
        _ = try await push(store, first)
        try require(try await push(store, first) == "already", "what took effect before is known")
        for base in [[Self.tag(Self.sealed(1))], [.none, Self.tag(Self.sealed(1))]] {
            let resealed = put(key, Self.sealed(9), at: 5, base: base)
            try require(
                try await push(store, resealed) == "already", "another seal of the same value is known by its base")
        }
        try require(try await value(key, store) == Self.sealed(1), "what is known already changes nothing")
    }

    func mendsLostValues(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        _ = try await push(store, put(key, Self.sealed(1), at: 5))
        try await write(store, [delete("k")])
        try require(
            try await push(store, put(key, Self.sealed(1), at: 5)) == "already", "the record says what was done")
        let mending = put(key, Self.sealed(1), at: 5, isRepair: true)
        try require(try await push(store, mending) == "applied", "a write that mends looks at the value, too")
        try require(try await value(key, store) == Self.sealed(1), "a write that mends puts the value back")
        try require(try await push(store, mending) == "already", "what is whole needs no mending")
    }

    func tellsClashes(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let first = put(key, Self.sealed(1), at: 5)
        _ = try await push(store, first)
        let other = put(key, Self.sealed(2), at: 5, base: [Self.tag(Self.sealed(3))])
        try require(try await push(store, other) == "clash", "the same version with another value is a clash")
        try require(try await push(store, remove(key, at: 5)) == "clash", "and so is a delete with that version")
        let view = try await view(key, store)
        try require(view.entry?.value == Self.sealed(1) && view.record == record(first), "a clash changes nothing")
    }

    func newerVersionsWin(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let newest = put(key, Self.sealed(1), at: 5, node: 8)
        _ = try await push(store, newest)
        let stale = Answer.stale(record(newest))
        for (stamp, node) in [(5, 7), (4, 9)] as [(UInt64, UInt64)] {
            for isLate in [false, true] {
                let older = put(key, Self.sealed(2), at: stamp, node: node, isLate: isLate)
                try require(try await push(store, older) == stale, "a newer version stops an older one, and is told")
                try require(try await push(store, older, expected: 99) == stale, "also where something was lost")
            }
        }
        try require(try await push(store, remove(key, at: 4, isLate: true)) == stale, "it stops an older delete")
        try require(try await value(key, store) == Self.sealed(1), "what is older changes nothing")
        let newer = put(key, Self.sealed(3), at: 5, node: 9)
        try require(try await push(store, newer) == "applied", "of two equal stamps the higher node is newer")
    }

    func comparesWholeVersions(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        var previous = Version(stamp: 0, node: 0)
        for shift in 0..<16 {
            let bit: UInt64 = 1 << UInt64(shift % 8 * 8 + 7)
            let next = shift < 8 ? Version(stamp: 0, node: bit) : Version(stamp: bit, node: 0)
            let newer = put(key, Self.sealed(UInt8(shift)), at: next.stamp, node: next.node)
            try require(try await push(store, newer) == "applied", "versions are compared as numbers: byte \(shift)")
            let older = put(key, Self.sealed(99), at: previous.stamp, node: previous.node)
            try require(
                try await push(store, older).hasPrefix("stale"), "versions are compared as numbers: byte \(shift)")
            previous = next
        }
    }

    func sparesForeignValues(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let first = put(key, Self.sealed(1), at: 5)
        _ = try await push(store, first)
        for foreign in [[1], Array("foreign, and of some length".utf8), [UInt8](repeating: 7, count: 100_000)] {
            try await write(store, [put("k", foreign)])
            let told = try Answer.foreign(foreign)
            let late = put(key, Self.sealed(2), at: 6, base: [Self.tag(Self.sealed(3))], isLate: true)
            try require(
                try await push(store, late) == told, "a late put leaves a foreign value, and tells its fingerprint")
            try require(try await push(store, remove(key, at: 6, isLate: true)) == told, "and so does a late delete")
            try require(try await value(key, store) == foreign, "a foreign value stays")
        }
        try require(try await view(key, store).record == record(first), "what is foreign leaves the record as it is")
    }

    func replacesKnownValues(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        var stamp: UInt64 = 10
        func late(_ value: [UInt8], base: [ValueFingerprint] = []) async throws -> String {
            stamp += 1
            return try await push(store, put(key, value, at: stamp, base: base, isLate: true))
        }
        for known in [Self.sealed(1), [UInt8](repeating: 5, count: 9), [UInt8](repeating: 6, count: 70_000)] {
            try await write(store, [put("k", known)])
            let base = try Self.plain(known)
            try require(
                try await late(Self.sealed(20), base: [.none, base]) == "applied", "a late put replaces its base")
            try await write(store, [RemoteWrite(key: key, action: .put(Self.sealed(20), timeToLive: .seconds(60)))])
            try require(try await late(Self.sealed(30)) == "applied", "a late put replaces what the record knows")
            try await write(store, [RemoteWrite(key: key, action: .put(Self.sealed(40), timeToLive: .seconds(60)))])
            try require(try await late(Self.sealed(40)) == "applied", "a late put replaces its own value")
            stamp += 1
            try require(
                try await push(store, remove(key, at: stamp, isLate: true)) == "applied",
                "a late delete removes what the record knows")
        }
        try await write(store, [put("k", [UInt8](repeating: 0, count: 20))])
        try require(
            try await late(Self.sealed(1), base: [.none]).hasPrefix("foreign"), "the zeros of a delete match no value")
    }

    func recordsBesideForeignValues(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let foreign = Array("of somebody else".utf8)
        try await write(store, [put("k", foreign)])
        for again in [
            put(key, Self.sealed(1), at: 5, isLate: true, isResend: true),
            remove(key, at: 6, isLate: true, isResend: true),
        ] {
            try require(
                try await push(store, again).hasPrefix("foreign"), "a foreign value is told to what is sent again")
            try require(try await view(key, store).record == record(again), "what is sent again writes its record")
        }
        try require(try await value(key, store) == foreign, "a foreign value stays")
    }

    func tellsAbsence(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        func lateButGone(_ stamp: UInt64, accepts: Bool = false) async throws -> String {
            try await write(store, [delete("k")])
            return try await push(store, put(key, Self.sealed(2), at: stamp, isLate: true, acceptsAbsence: accepts))
        }
        _ = try await push(store, put(key, Self.sealed(1), at: 5))
        try require(try await lateButGone(6) == "absent", "a late put where a live value is gone is told")
        try require(try await value(key, store) == nil, "what is told writes nothing")
        try require(try await lateButGone(6, accepts: true) == "applied", "it is applied where it accepts that")
        try require(try await push(store, remove(key, at: 8, isLate: true)) == "applied", "a delete does not mind")
        try require(try await lateButGone(9) == "applied", "a tombstone is no live value")
        _ = try await push(store, put(key, Self.sealed(1), at: 10, end: .zero))
        try require(try await lateButGone(11) == "applied", "a value whose life is over is no live value")
    }

    func refusesTooOldPuts(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        let foreign = Array("of somebody else".utf8)
        func tooOld(_ stamp: UInt64, isLate: Bool = true, base: [ValueFingerprint] = []) async throws -> String {
            try await push(store, put(key, Self.sealed(2), at: stamp, base: base, isLate: isLate, isTooOld: true))
        }
        try require(try await tooOld(5) == "tooOld", "without a record a put older than tombstones is refused")
        try require(try await tooOld(5, isLate: false) == "tooOld", "also where it is not late")
        try await write(store, [put("k", foreign)])
        try require(try await tooOld(5).hasPrefix("foreign"), "what is foreign is told first")
        try require(try await tooOld(5, isLate: false) == "tooOld", "a value that it does not know is no record")
        try require(try await value(key, store) == foreign, "what is refused changes nothing")
        let base = [try Self.plain(foreign)]
        try require(try await tooOld(5, isLate: false, base: base) == "applied", "a value that it knows will do")
        try require(try await tooOld(6) == "applied", "a record will do")
        let other = remove(try CacheKey("other"), at: 1, isLate: true, isTooOld: true)
        try require(try await push(store, other) == "applied", "deletes are applied however old they are")
    }

    func trustsNothingAfterLoss(_ store: any RemoteStore) async throws {
        let key = try CacheKey("k")
        for (isFound, stamp) in [(true, 5), (false, 6)] as [(Bool, UInt64)] {
            try await write(store, [put("k", Array("of somebody else".utf8))])
            let late = put(key, Self.sealed(1), at: stamp, isLate: true)
            let answer = try await push(store, [late], expected: isFound ? 3 : 0, mark: 3, mayBeLost: !isFound)
            try require(answer.verdicts == ["applied"], "where something was lost, nothing is foreign")
            let mark = try await store.marks(of: Self.node, in: [store.bucket(of: key)])[0].get()
            try require(mark == (isFound ? nil : 3), "a bucket that has less than expected keeps its mark")
        }
        try await write(store, [delete("k")])
        let late = put(key, Self.sealed(2), at: 7, isLate: true)
        try require(
            try await push(store, late, expected: 99) == "applied", "where something was lost, nothing is absent")
    }
}
