import CacheKit
import CacheKitCore
import Synchronization

/// What the writers were told until the power went, against which the file is judged afterwards.
///
/// Each key has one writer, which begins nothing before its last operation has ended: so what a key held is a list.
final class PowerCutLedger: Sendable {
    /// What a key holds; the watermark counts as one.
    enum Content: Hashable {
        case absent
        case tombstone
        case plain([UInt8])
        case sealed(String, KeyFingerprint)
        case watermark(UInt64)
    }

    struct Found {
        var content: Content
        var sequence: UInt64?
    }

    fileprivate struct Operation {
        var begun: Int
        var acknowledged: Int?
        var keys: [String]
        var draws: Int
    }

    fileprivate struct Step {
        var operation: Int?
        var content: Content
        var sequence: UInt64?
    }

    fileprivate struct State {
        var time = 0
        var operations: [Int: Operation] = [:]
        var histories: [String: [Step]] = [:]
        var sequences: Set<UInt64> = []
        var handedOut: [(key: String, sequence: UInt64)] = []
        var lastSequence: UInt64 = 0
        var acknowledged = 0
        var lost = 0
        var violations: [String] = []
    }

    private let state = Mutex(State())

    /// Operations acknowledged so far, and those of them that a relaxed file lost.
    var counts: (acknowledged: Int, lost: Int) { state.withLock { ($0.acknowledged, $0.lost) } }

    /// Notes what an operation will make of some keys, and how many sequences it may draw.
    func begin(_ effects: [(key: String, content: Content)], draws: Int = 0) -> Int {
        state.withLock { state in
            state.time += 1
            let number = state.time
            state.operations[number] = Operation(
                begun: number, acknowledged: nil, keys: effects.map(\.key), draws: draws)
            for (key, content) in effects {
                state.histories[key, default: [Step(content: .absent)]].append(
                    Step(operation: number, content: content))
            }
            return number
        }
    }

    func acknowledge(_ number: Int, _ sequences: [ChangeSequence] = []) {
        state.withLock { state in
            state.time += 1
            state.acknowledged += 1
            guard let operation = state.operations[number] else { return }
            state.operations[number]?.acknowledged = state.time
            for (key, sequence) in zip(operation.keys, sequences) {
                let last = (state.histories[key]?.count ?? 1) - 1
                state.histories[key]?[last].sequence = sequence.number
            }
            for sequence in sequences where !state.sequences.insert(sequence.number).inserted {
                state.violations.append("sequence \(sequence.number) was given twice")
            }
        }
    }

    /// Notes what a pusher got, and may have sent.
    func handOut(_ changes: [Change]) {
        state.withLock { state in
            state.handedOut += changes.map { ($0.key.string, $0.entry.sequence.number) }
        }
    }

    func complain(_ text: String) { state.withLock { $0.violations.append(text) } }

    /// What is wrong with what the file is found to hold; from now on that is what it held.
    func judge(_ found: [String: Found], lastSequence: UInt64, isFull: Bool) -> [String] {
        state.withLock { state in
            defer { state.restart(found, lastSequence) }
            return state.violations + state.judgeContents(found, isFull: isFull)
                + state.judgeSequences(found, lastSequence, isFull: isFull)
        }
    }
}

extension PowerCutLedger.State {
    /// The place in a key's list where the file stands.
    private func place(_ key: String, _ found: PowerCutLedger.Found) -> Int? {
        let steps = histories[key] ?? []
        func fits(_ step: PowerCutLedger.Step) -> Bool {
            step.content == found.content && (step.sequence == nil || step.sequence == found.sequence)
        }
        return steps.lastIndex { fits($0) && $0.sequence != nil } ?? steps.lastIndex { fits($0) }
    }

    fileprivate mutating func judgeContents(_ found: [String: PowerCutLedger.Found], isFull: Bool) -> [String] {
        var violations: [String] = []
        var survived: [Int: Bool] = [:]
        for (key, steps) in histories {
            let held = found[key] ?? PowerCutLedger.Found(content: .absent)
            guard let place = place(key, held) else {
                violations.append("\(key) holds what nobody wrote, of \(steps.count) states")
                continue
            }
            for (index, step) in steps.enumerated() {
                guard let number = step.operation else { continue }
                let hasSurvived = index <= place
                if let other = survived[number], other != hasSurvived {
                    violations.append("an operation with \(key) is there in part")
                }
                survived[number] = hasSurvived
                if !hasSurvived, isFull, operations[number]?.acknowledged != nil {
                    violations.append("\(key) lost what was acknowledged")
                }
            }
        }
        // A prefix: nothing is there that began after something lost had been acknowledged.
        let firstLost = survived.compactMap { $1 ? nil : operations[$0]?.acknowledged }.min() ?? .max
        let lastKept = survived.compactMap { $1 ? operations[$0]?.begun : nil }.max() ?? 0
        if firstLost < lastKept { violations.append("what is left is not a prefix in time") }
        lost += survived.count { !$1 && operations[$0]?.acknowledged != nil }
        return violations
    }

    fileprivate func judgeSequences(
        _ found: [String: PowerCutLedger.Found], _ last: UInt64, isFull: Bool
    ) -> [String] {
        var violations: [String] = []
        let kept = found.values.compactMap(\.sequence)
        if Set(kept).count < kept.count { violations.append("two keys have one sequence") }
        let greatest = kept.max() ?? 0
        if greatest > last { violations.append("a row is above the clock") }
        for (key, steps) in histories {
            let held = found[key]?.sequence ?? 0
            if let lost = steps.compactMap(\.sequence).first(where: { $0 > held }), lost < greatest {
                violations.append("\(key) lost change \(lost), and \(greatest) is there")
            }
        }
        // Keys without a history expire and go once they are settled.
        for (key, sequence) in handedOut where histories[key] != nil && found[key]?.sequence ?? 0 < sequence {
            violations.append("\(key): change \(sequence) was handed out and is gone")
        }
        guard isFull else { return violations }
        // Every number up to the last is known, or one that an operation without an answer drew.
        let drawn = operations.values.reduce(into: (known: UInt64(0), unsaid: UInt64(0))) { sums, operation in
            if operation.acknowledged != nil {
                sums.known += UInt64(operation.draws)
            } else {
                sums.unsaid += UInt64(operation.draws)
            }
        }
        if last < lastSequence + drawn.known || last > lastSequence + drawn.known + drawn.unsaid {
            violations.append("\(lastSequence) + \(drawn) sequences end at \(last)")
        }
        return violations
    }

    fileprivate mutating func restart(_ found: [String: PowerCutLedger.Found], _ last: UInt64) {
        for key in histories.keys {
            let held = found[key] ?? PowerCutLedger.Found(content: .absent)
            histories[key] = [PowerCutLedger.Step(content: held.content, sequence: held.sequence)]
        }
        operations = [:]
        handedOut = []
        violations = []
        lastSequence = last
    }
}
