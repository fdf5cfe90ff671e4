import CacheKit
import Testing

/// What the parent knows: every acknowledgement that came through the pipe, and what the file showed after a kill.
struct CrashLedger {
    struct Known {
        var generation: UInt64
        var sequence: UInt64
        var isPut: Bool
    }

    /// One child, from its first change to its kill.
    private struct Life {
        /// The last change when it began: all of its own are above, and those of the children before it are not.
        let start: UInt64
        /// The last change that each writer said.
        var said: [Substring: Known] = [:]
        /// Writers of which a change was found that they did not say.
        var unsaid: Set<Substring> = []
    }

    static let writerKeys = (0..<6).flatMap { writer in (0..<40).map { "writer\(writer):\($0)" } }
    static let remoteKeys = (0..<60).map { "remote:\($0)" }

    private(set) var known: [String: Known] = [:]
    private var sequences: Set<UInt64> = []
    private var highest: UInt64 = 0
    /// Of the children since the last check, those that began to write.
    private var lives: [Life] = []
    private(set) var settled: UInt64 = 0
    private(set) var acknowledged = 0
    /// Changes that were found and had not been said.
    private(set) var unsaid = 0
    private(set) var resealed = 0
    private(set) var evicted = 0

    /// Takes in what a child said; gives whether it said that it retired the previous keys.
    mutating func note(_ lines: [String]) throws -> Bool {
        var hasRetired = false
        for line in lines {
            let words = line.split(separator: " ")
            switch words[0] {
            case "filled": break
            case "open":
                let start = try #require(UInt64(words[1]))
                #expect(start >= highest, "a child found less than was acknowledged before it")
                lives.append(Life(start: start))
            case "retired": hasRetired = true
            case "resealed": resealed += try #require(Int(words[1]))
            case "settled": settled = try max(settled, #require(UInt64(words[1])))
            default:
                let generation = try #require(UInt64(words[2]))
                let sequence = try #require(UInt64(words[3]))
                #expect(sequences.insert(sequence).inserted, "sequence \(sequence) was given twice")
                highest = max(highest, sequence)
                acknowledged += 1
                let key = String(words[1])
                #expect((known[key]?.sequence ?? 0) < sequence, "\(key)")
                let change = Known(generation: generation, sequence: sequence, isPut: words[0] == "put")
                known[key] = change
                try #require(!lives.isEmpty, "a child said a change before it said that it was open")
                #expect(sequence > lives[lives.count - 1].start, "\(key)")
                lives[lives.count - 1].said[words[1].prefix { $0 != ":" }] = change
            }
        }
        return hasRetired
    }

    /// Compares every key with what the file holds for it after the last of some kills, by these rules:
    ///
    /// - what stands under the acknowledged sequence is what was acknowledged;
    /// - what stands under a later one is a change that a kill left unsaid: the last one of its writer in one child's life. From
    ///   now on it counts as acknowledged, for it was seen;
    /// - a key without a row was evicted, which only a settled change may be: one at or below the watermark.
    mutating func check(
        _ rows: [String: (entry: StoredEntry, generation: UInt64?)], watermark: UInt64, round: Int
    ) throws {
        #expect(watermark >= settled, "round \(round): the watermark fell")
        settled = watermark
        for key in Self.writerKeys {
            let last = known[key]
            guard let (entry, generation) = rows[key] else {
                if let last {
                    #expect(last.sequence <= watermark, "round \(round): \(key) was acknowledged, pending, and is gone")
                    evicted += 1
                    known[key] = nil
                }
                continue
            }
            let sequence = entry.sequence.number
            if let last, sequence == last.sequence {
                #expect(entry.isTombstone == !last.isPut, "round \(round): \(key)")
                if last.isPut { #expect(generation == last.generation, "round \(round): \(key)") }
                continue
            }
            #expect(sequence > last?.sequence ?? 0, "round \(round): \(key) went back")
            #expect(sequences.insert(sequence).inserted, "round \(round): sequence \(sequence) was given twice")
            let found = Known(generation: generation ?? 0, sequence: sequence, isPut: generation != nil)
            checkUnsaid(found, key, round: round)
            known[key] = found
        }
        lives.removeAll()
    }

    /// A writer says each change before it makes the next: what it left unsaid is one change, behind all that it said.
    private mutating func checkUnsaid(_ found: Known, _ key: String, round: Int) {
        let writer = key.prefix { $0 != ":" }
        guard let index = lives.lastIndex(where: { $0.start < found.sequence }) else {
            Issue.record("round \(round): \(key) has a change from before the last check")
            return
        }
        unsaid += 1
        let isFirst = lives[index].unsaid.insert(writer).inserted
        #expect(isFirst, "round \(round): \(writer) left two changes of one life unsaid")
        let said = lives[index].said[writer]
        #expect(found.sequence > said?.sequence ?? 0, "round \(round): \(key) has a change that its writer went past")
        if found.isPut {
            // A writer counts its generations from the last sequence on.
            #expect(
                found.generation > said?.generation ?? lives[index].start, "round \(round): \(key) has an old value")
        }
    }
}
