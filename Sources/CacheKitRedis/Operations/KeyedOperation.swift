internal import CacheKitCore

/// A call on many keys: how its elements become commands, and what the replies say of each.
protocol KeyedOperation: Sendable {
    associatedtype Element: Sendable
    associatedtype Output: Sendable

    /// Whether it only reads: it may be sent again after a loss.
    var isIdempotent: Bool { get }
    /// Whether only connections that a ``ConnectionFence`` has noted may carry it.
    var isFenced: Bool { get }
    /// Whether a replica may answer it, which may lag behind.
    var mayAskReplica: Bool { get }
    /// Whether several batches of a call may be on their way at once: their replies must be small, and their order of no account.
    var mayOverlap: Bool { get }
    /// Elements that one unit may have: commands of a unit belong together, and are redirected together. So a unit that
    /// writes is one command, or a transaction.
    var maximumUnitCount: Int { get }
    /// Values of full size that one reply may hold, for a unit of so many elements.
    func valuesPerReply(unitCount: Int) -> Int

    func key(of element: Element) -> String
    /// Every key that it is about.
    func keys(of element: Element) -> [String]
    /// About what it takes in a batch, in bytes.
    func byteCount(of element: Element) -> Int
    /// The size of the value that it writes.
    func valueByteCount(of element: Element) -> Int

    func encode(_ unit: ArraySlice<Element>, into writer: inout RESPWriter)
    /// The same by other commands, where a server refused these, without effect, and would take those.
    func alternative(after replies: ArraySlice<RESPValue>) -> Self?
    /// Adds what the replies of a unit say of each of its elements.
    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<Element>, into outputs: inout [Output]
    ) throws(CacheError)
    /// What stands for an element that could not be sent, or whose outcome is not known, beside others that were answered;
    /// `nil` when the whole call fails by that.
    func output(after error: CacheError) -> Output?
}

extension KeyedOperation {
    func output(after error: CacheError) -> Output? { nil }
    func alternative(after replies: ArraySlice<RESPValue>) -> Self? { nil }
}

extension KeyedOperation {
    var isFenced: Bool { false }
    var mayAskReplica: Bool { isIdempotent }
    var mayOverlap: Bool { false }
    func keys(of element: Element) -> [String] { [key(of: element)] }
    func valueByteCount(of element: Element) -> Int { 0 }

    /// What a batch of these elements writes; `nil` where it only reads.
    func writes(_ elements: ArraySlice<Element>) -> CommandBatch.Writes? {
        guard !isIdempotent else { return nil }
        return CommandBatch.Writes(
            largestValue: elements.reduce(0) { max($0, valueByteCount(of: $1)) },
            keys: { elements.flatMap { keys(of: $0) } }, isFenced: isFenced)
    }
}

/// Elements that travel in one batch, cut into units.
struct Units<Operation: KeyedOperation> {
    private(set) var batch: CommandBatch
    private let operation: Operation
    private var parts: [(elements: ArraySlice<Operation.Element>, replies: Range<Int>)] = []

    init(_ elements: ArraySlice<Operation.Element>, _ operation: Operation) {
        self.operation = operation
        let size = elements.reduce(0) { $0 + operation.byteCount(of: $1) }
        var writer = RESPWriter(reservingBytes: size)
        var rest = elements
        while !rest.isEmpty {
            let unit = rest.prefix(operation.maximumUnitCount)
            rest = rest.dropFirst(unit.count)
            let start = writer.commandCount
            operation.encode(unit, into: &writer)
            parts.append((unit, start..<writer.commandCount))
        }
        batch = CommandBatch(
            writer, valuesPerReply: operation.valuesPerReply(unitCount: parts.first?.elements.count ?? 1),
            isIdempotent: operation.isIdempotent)
        batch.writes = operation.writes(elements)
    }

    /// What to send in its place, if a part of it was refused.
    func alternative(after replies: [RESPValue]) -> Operation? {
        for part in parts {
            if let alternative = operation.alternative(after: replies[part.replies]) { return alternative }
        }
        return nil
    }

    func decode(_ replies: [RESPValue], into outputs: inout [Operation.Output]) throws(CacheError) {
        for part in parts { try operation.decode(replies[part.replies], of: part.elements, into: &outputs) }
    }
}
