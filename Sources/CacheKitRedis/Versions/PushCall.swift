internal import CacheKit
internal import CacheKitCore

/// One call with pushes of any buckets, from its pushes to their answers.
///
/// Of each bucket one push is on its way at a time: where a server does not know the script, that push is sent once more, and
/// the next one of its bucket must not overtake it. After one that was not answered no other of its bucket is sent.
struct PushCall {
    private static let batchesInFlight = 2

    private let topology: any Topology
    private let buckets: Buckets
    private let pushes: [BucketPush]
    private var answers: [BucketAnswer?]
    private var failures: [Int: CacheError] = [:]
    /// What a whole sending failed by.
    private var failure: CacheError?
    private var isAnyAnswered = false

    init(_ pushes: [BucketPush], over topology: any Topology, _ buckets: Buckets) {
        self.topology = topology
        self.buckets = buckets
        self.pushes = pushes
        answers = Array(repeating: nil, count: pushes.count)
    }

    /// - Throws: when nothing is known of any push.
    mutating func run() async throws(CacheError) -> [BucketAnswer] {
        var rest = Array(pushes.indices)
        while !rest.isEmpty {
            var round: [Int] = []
            var later: [Int] = []
            var isTaken: Set<Int> = []
            for index in rest {
                let bucket = pushes[index].bucket
                if pushes[index].writes.count > PushOperation.maximumWriteCount {
                    answers[index] = .failed(.tooManyWrites())
                } else if let error = failure ?? failures[bucket] {
                    answers[index] = .failed(.redisNotSent(error))
                } else if isTaken.insert(bucket).inserted {
                    round.append(index)
                } else {
                    later.append(index)
                }
            }
            let unknown = await send(round, PushOperation(buckets: buckets))
            _ = await send(unknown, PushOperation(buckets: buckets, carriesScript: true))
            rest = later
        }
        if let failure, !isAnyAnswered { throw failure }
        return answers.map { $0 ?? .failed(.redisNotSent(failure)) }
    }

    /// Sends pushes and notes their answers.
    ///
    /// - Returns: those whose server does not know the script.
    private mutating func send(_ indices: [Int], _ operation: PushOperation) async -> [Int] {
        var unknown: [Int] = []
        // One server answers batch by batch, and what the first of them said must not be lost with the second. A Cluster's
        // servers have batches of their own, and failures too.
        let elements = indices.map { pushes[$0] }
        let batches = topology.hasOneServer ? Chunks.cut(elements, operation) : [elements.indices]
        var rest = batches.filter { !$0.isEmpty }[...]
        await withTaskGroup(of: Sent.self) { [topology] group in
            // A batch is encoded while the server is at the one before. They have no bucket in common.
            for _ in 0..<Self.batchesInFlight {
                guard failure == nil, let batch = rest.popFirst() else { break }
                group.addTask { await Self.send(batch, of: elements, operation, over: topology) }
            }
            while let sent = await group.next() {
                switch sent.outcome {
                case .success(let outputs):
                    isAnyAnswered = true
                    for (position, output) in zip(sent.batch, outputs) {
                        switch output {
                        case .answer(let answer): note(answer, of: indices[position])
                        case .unknownScript: unknown.append(indices[position])
                        }
                    }
                case .failure(let error):
                    // Of several, the one that leaves open what became of its batch.
                    if failure == nil || failure?.code == .remoteUnavailable { failure = error }
                    for position in sent.batch { note(.failed(error), of: indices[position]) }
                }
                if failure == nil, let batch = rest.popFirst() {
                    group.addTask { await Self.send(batch, of: elements, operation, over: topology) }
                }
            }
        }
        for position in rest.joined() { note(.failed(.redisNotSent(failure)), of: indices[position]) }
        // In the order in which they were given, whichever batch was answered first.
        return unknown.sorted()
    }

    /// What became of one batch.
    private struct Sent: Sendable {
        let batch: Range<Int>
        let outcome: Result<[PushOperation.Output], CacheError>
    }

    private static func send(
        _ batch: Range<Int>, of pushes: [BucketPush], _ operation: PushOperation, over topology: any Topology
    ) async -> Sent {
        do throws(CacheError) {
            return Sent(batch: batch, outcome: .success(try await topology.perform(operation, Array(pushes[batch]))))
        } catch {
            return Sent(batch: batch, outcome: .failure(error))
        }
    }

    private mutating func note(_ answer: BucketAnswer, of index: Int) {
        answers[index] = answer
        if case .failed(let error) = answer { failures[pushes[index].bucket] = error }
    }
}

extension CacheError {
    fileprivate static func tooManyWrites() -> CacheError {
        CacheError(
            .invalidArgument, "a push has more than \(PushOperation.maximumWriteCount) writes of one bucket; split it")
    }
}
