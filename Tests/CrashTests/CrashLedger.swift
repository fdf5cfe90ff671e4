import CacheKit
import Testing

/// What the parent knows: every acknowledgement that came through the pipe, and what the file showed after a kill.
struct CrashLedger {
    struct Known {
        var generation: UInt64
        var sequence: UInt64
        var isPut: Bool
    }

    static let writerKeys = (0..<6).flatMap { writer in (0..<40).map { "writer\(writer):\($0)" } }
    static let remoteKeys = (0..<60).map { "remote:\($0)" }

    private(set) var known: [String: Known] = [:]
    private var lastGeneration: [Substring: UInt64] = [:]
    private var sequences: Set<UInt64> = []
    private(set) var settled: UInt64 = 0
    private(set) var acknowledged = 0
    private(set) var resealed = 0
    private(set) var evicted = 0

    /// Takes in what a child said; gives whether it said that it retired the previous keys.
    mutating func note(_ lines: [String]) throws -> Bool {
        var hasRetired = false
        for line in lines {
            let words = line.split(separator: " ")
            switch words[0] {
            case "open", "filled": break
            case "retired": hasRetired = true
            case "resealed": resealed += try #require(Int(words[1]))
            case "settled": settled = try max(settled, #require(UInt64(words[1])))
            default:
                let generation = try #require(UInt64(words[2]))
                let sequence = try #require(UInt64(words[3]))
                #expect(sequences.insert(sequence).inserted, "sequence \(sequence) was given twice")
                acknowledged += 1
                let key = String(words[1])
                #expect((known[key]?.sequence ?? 0) < sequence, "\(key)")
                known[key] = Known(generation: generation, sequence: sequence, isPut: words[0] == "put")
                lastGeneration[words[1].prefix { $0 != ":" }] = generation
            }
        }
        return hasRetired
    }

    /// Compares every key with what the file holds for it, by these rules:
    ///
    /// - what stands under the acknowledged sequence is what was acknowledged;
    /// - what stands under a later one is the one change of its writer that the kill left unsaid: a new generation, or a
    ///   delete. From now on it counts as acknowledged, for it was seen;
    /// - a key without a row was evicted, which only a settled change may be: one at or below the watermark.
    mutating func check(
        _ rows: [String: (entry: StoredEntry, generation: UInt64?)], watermark: UInt64, round: Int
    ) throws {
        #expect(watermark >= settled, "round \(round): the watermark fell")
        settled = watermark
        var unsaid: Set<Substring> = []
        for key in Self.writerKeys {
            let writer = key.prefix { $0 != ":" }
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
            #expect(unsaid.insert(writer).inserted, "round \(round): \(writer) has two changes that it did not say")
            if let generation {
                #expect(generation > lastGeneration[writer] ?? 0, "round \(round): \(key) has an old value")
                lastGeneration[writer] = generation
            }
            #expect(sequences.insert(sequence).inserted, "round \(round): sequence \(sequence) was given twice")
            known[key] = Known(generation: generation ?? 0, sequence: sequence, isPut: generation != nil)
        }
    }
}
