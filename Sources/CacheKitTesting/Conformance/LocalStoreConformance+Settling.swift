internal import CacheKit
internal import CacheKitCore

/// Checks of what a store keeps for whoever sends its changes.
extension LocalStoreConformance {
    private static let sealed = ValueForm.sealed(KeyFingerprint(high: 1, low: 2))

    func fingerprint(_ value: [UInt8], _ form: ValueForm = .plain) throws -> ValueFingerprint {
        try ValueFingerprint(of: value, form: form)
    }

    func refusal(_ body: () async throws(CacheError) -> Void) async -> CacheError.Code? {
        do throws(CacheError) {
            try await body()
            return nil
        } catch {
            return error.code
        }
    }

    func notesWhatIsSent(_ store: any LocalStore) async throws {
        let empty = try await store.sendingState()
        try require(empty.watermark == .zero && empty.sentThrough == .zero, "nothing was sent from an empty store")
        try require(empty.marks == nil && empty.fence == nil, "nothing is known of a remote that nothing was sent to")
        try await store.commit([put("a", [1]), put("b", [2]), put("c", [3]), put("d", [4])])
        try require(try await entry("a", store)?.version.node == empty.node, "versions carry the node that sends")
        for (sent, expected) in [(2, 2), (1, 2), (3, 3), (0, 3)] as [(UInt64, UInt64)] {
            try await store.beginSending(through: ChangeSequence(sent), fence: nil)
            try require(
                try await store.sendingState().sentThrough.number == expected, "what may have been sent never falls")
        }
        try await store.beginSending(through: ChangeSequence(1), fence: [7, 8])
        try await store.beginSending(through: ChangeSequence(3), fence: nil)
        var state = try await store.sendingState()
        try require(state.fence == [7, 8], "the note of connections is kept until another one is given")
        try require(state.watermark == .zero, "sending settles nothing")
        try await store.settle(Settlement(through: ChangeSequence(4)))
        state = try await store.sendingState()
        try require(state.watermark.number == 4 && state.sentThrough.number == 4, "what is settled was sent")
    }

    func countsSuperseded(_ store: any LocalStore) async throws {
        try require(try await store.supersededCount() == 0, "nothing was overwritten yet")
        try await store.commit([put("a", [1]), put("b", [1]), put("c", [1])])
        // In one transaction, and in one of its own; a delete as a put.
        try await store.commit([put("a", [2]), delete("b"), put("a", [3])])
        try await store.commit([put("a", [4])])
        try require(try await store.supersededCount() == 4, "each change that was overwritten counts once")
        try require(
            try await store.settle(Settlement(through: ChangeSequence(6))) == 2, "of six changes two stood: c, and b's")
        try require(
            try await store.settle(Settlement(through: ChangeSequence(6))) == 0, "what was passed is not passed again")
        try await store.commit([put("b", [5]), put("c", [5])])
        try require(try await store.supersededCount() == 4, "what has an outcome is not superseded by a later change")
        let fill = RemoteFill(change: try put("d", [6]), expected: nil)
        try await store.fill([fill])
        try await store.commit([put("d", [7])])
        try require(try await store.supersededCount() == 4, "what the remote wrote is no change of this store")
        let loss = Resolution(sequence: ChangeSequence(9), winner: try put("c", [8]), loss: .stale)
        try require(try await store.resolve([loss]) == [true], "a row gives way to what it lost against")
        try require(try await store.supersededCount() == 4, "what lost is not superseded")
        let last = try await store.lastSequence()
        try require(
            try await store.settle(Settlement(through: last)) == 3, "a, b and d stood; what lost does not")
        try require(try await store.statistics().superseded == 4, "the statistics tell of it")
    }

    func keepsMarks(_ store: any LocalStore) async throws {
        try await store.commit([put("a", [1])])
        func settle(_ count: Int, _ sequences: [Int: UInt64]) async throws -> RemoteMarks? {
            // The watermark is there already: what else it says is kept all the same.
            try await store.settle(
                Settlement(
                    through: ChangeSequence(1), marks: RemoteMarks(bucketCount: count, sequences: sequences)))
            return try await store.sendingState().marks
        }
        try require(
            try await settle(256, [0: 5, 255: 6]) == RemoteMarks(bucketCount: 256, sequences: [0: 5, 255: 6]),
            "marks are kept")
        try require(
            try await settle(256, [255: 7, 17: 1]) == RemoteMarks(bucketCount: 256, sequences: [0: 5, 255: 7, 17: 1]),
            "marks that did not change stay")
        let many: [Int: UInt64] = [300: 1, 16_383: 2]
        try require(
            try await settle(16_384, many) == RemoteMarks(bucketCount: 16_384, sequences: many),
            "marks of another number of buckets are forgotten")
        try require(
            try await settle(256, [3: 9]) == RemoteMarks(bucketCount: 256, sequences: [3: 9]),
            "also where it has fewer")
    }

    func setsChangesAside(_ store: any LocalStore) async throws {
        let sequences = try await store.commit([
            put("settled", [1], life: .seconds(1)), put("old", [2], life: .seconds(1)),
            put("locked", [3], life: .seconds(1)),
        ])
        let old = ParkedChange(sequence: sequences[1], key: try CacheKey("old"), reason: .tooOld)
        try await store.settle(Settlement(through: sequences[2], parked: [old]))
        try require(try await store.statistics().parked == 1, "parked changes are counted")
        try require(try await store.backlog().changes == 0, "a parked change waits no more")
        // Below the watermark by now.
        let locked = ParkedChange(sequence: sequences[2], key: try CacheKey("locked"), reason: .needsKey)
        try await store.settle(Settlement(through: sequences[0], parked: [locked]))
        try require(try await store.statistics().parked == 2, "a settlement that moves nothing keeps what it says")
        try require(try await store.watermark() == sequences[2], "and leaves the watermark where it was")
        clock.advance(by: .seconds(3600))
        try await maintain(store)
        for (key, value) in [("old", 2), ("locked", 3)] as [(String, UInt8)] {
            try require(try await entry(key, store)?.value == [value], "the row of a parked change stays")
        }
        let beyond = Settlement(through: ChangeSequence(4))
        try require(
            await refusal { () async throws(CacheError) in try await store.settle(beyond) } == .invalidArgument,
            "the watermark can't pass the last change")
        let replaced = try await store.fill([RemoteFill(change: put("old", [9]), expected: sequences[1])])
        try require(replaced == [false], "a value from the remote does not replace what was parked")
    }

    func followsBases(_ store: any LocalStore) async throws {
        for form in [ValueForm.plain, Self.sealed] {
            let name = form == .plain ? "plain" : "sealed"
            func value(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 40) }
            func write(_ number: UInt8) async throws -> ChangeSequence {
                try await store.commit([put(name, value(number), form: form)])[0]
            }
            func base() async throws -> [ValueFingerprint] { try await entry(name, store)?.base ?? [] }
            func prints(_ numbers: UInt8...) throws -> [ValueFingerprint] {
                try numbers.map { try fingerprint(value($0), form) }
            }
            _ = try await write(1)
            try require(try await base().isEmpty, "nothing is known of the remote before the first change")
            let second = try await write(2)
            try require(try await base().isEmpty, "what was never sent is nowhere")
            try await store.settle(Settlement(through: second))
            _ = try await write(3)
            try require(try await base() == prints(2), "what was acknowledged is known")
            let fourth = try await write(4)
            try require(try await base() == prints(2), "what was never sent changes nothing")
            try await store.beginSending(through: fourth, fence: nil)
            let fifth = try await write(5)
            try require(try await base() == prints(2, 4), "what may have been sent stands beside it")
            try await store.beginSending(through: fifth, fence: nil)
            let sixth = try await write(6)
            try require(try await base() == prints(2, 5), "at most one in flight is kept")
            try await store.settle(Settlement(through: sixth))
            let deleted = try await store.commit([delete(name)])[0]
            try require(try await base() == prints(6), "a delete knows what it deletes")
            try await store.beginSending(through: deleted, fence: nil)
            _ = try await write(7)
            try require(try await base() == prints(6), "a delete in flight adds nothing")
            let last = try await store.commit([delete(name)])[0]
            try await store.settle(Settlement(through: last))
            try await store.fill([RemoteFill(change: put(name, value(8), form: form), expected: last)])
            _ = try await write(9)
            try require(try await base() == prints(8), "what was read from the remote is known")
            let feed = try await store.changes(after: last, origin: .local, limit: 10, byteLimit: 1 << 20)
            try require(try feed.last?.entry.base == prints(8), "the feed says the same")
        }
    }

    func feedsSettledChanges(_ store: any LocalStore) async throws {
        let value = [UInt8](repeating: 5, count: 100)
        for number in 1...30 { try await store.commit([put("key:\(number)", value)]) }
        try await store.fill([RemoteFill(change: put("read", value), expected: nil)])
        let settlement = Settlement(
            through: ChangeSequence(25),
            deadLetters: [
                DeadLetter(
                    sequence: ChangeSequence(3), key: try CacheKey("key:3"), reason: CacheError(.remoteRejected, "no"))
            ],
            parked: try (4...12).map {
                ParkedChange(sequence: ChangeSequence($0), key: try CacheKey("key:\($0)"), reason: .tooOld)
            })
        try await store.settle(settlement)
        try await store.commit([put("key:20", value)])
        func pages(
            after: UInt64 = 0, through: UInt64, limit: Int, byteLimit: Int
        ) async throws -> [UInt64] {
            var sequences: [UInt64] = []
            while true {
                let page = try await store.settledChanges(
                    after: ChangeSequence(sequences.last ?? after), through: ChangeSequence(through), limit: limit,
                    byteLimit: byteLimit)
                try require(page.count <= limit, "a page has at most as many changes as asked for")
                try require((page.count - 1) * value.count <= byteLimit, "a page stops after about the bytes asked for")
                if page.isEmpty { return sequences }
                sequences += page.map(\.entry.sequence.number)
                try require(sequences.count <= 30, "no change is in two pages")
            }
        }
        let all: [UInt64] = [1, 2] + (13...19) + (21...25)
        // Pages of two: one with nothing but parked changes must not look like the end.
        for (limit, byteLimit) in [(100, 1 << 20), (2, 1 << 20), (100, 250), (100, 1)] {
            try require(
                try await pages(through: .max, limit: limit, byteLimit: byteLimit) == all,
                "every settled change that was not set aside is given once, in order")
        }
        try require(
            try await pages(after: 2, through: 18, limit: 100, byteLimit: 1 << 20) == Array(13...18),
            "between the ends that were asked for")
        try require(
            try await pages(after: 25, through: 31, limit: 100, byteLimit: 1 << 20).isEmpty,
            "nothing above the watermark")
    }
}
