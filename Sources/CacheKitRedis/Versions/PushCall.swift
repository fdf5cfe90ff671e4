internal import CacheKit
internal import CacheKitCore

/// One call with pushes of any buckets, from its pushes to their answers.
///
/// Of each bucket one push is on its way at a time: where a server does not know the script, that push is sent once more, and
/// the next one of its bucket must not overtake it. After one that was not answered no other of its bucket is sent.
struct PushCall {
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
        for batch in batches where !batch.isEmpty {
            if let failure {
                for position in batch { note(.failed(.redisNotSent(failure)), of: indices[position]) }
                continue
            }
            do throws(CacheError) {
                let outputs = try await topology.perform(operation, Array(elements[batch]))
                for (position, output) in zip(batch, outputs) {
                    switch output {
                    case .answer(let answer): note(answer, of: indices[position])
                    case .unknownScript: unknown.append(indices[position])
                    }
                }
                isAnyAnswered = true
            } catch {
                failure = error
                for position in batch { note(.failed(error), of: indices[position]) }
            }
        }
        return unknown
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
