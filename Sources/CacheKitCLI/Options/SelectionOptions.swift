import ArgumentParser
import CacheKit
import CacheKitCore

/// Which changes a decision is about.
struct SelectionOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("Numbers, as `list` prints them.", valueName: "id"))
    var ids: [UInt64] = []

    @Flag(name: .long, help: "All of them.")
    var all = false

    @Option(name: .long, help: "Those whose keys are NAMESPACE:KEY.")
    var namespace: String?

    func validate() throws {
        let ways = [!ids.isEmpty, all, namespace != nil].count { $0 }
        guard ways == 1 else { throw ValidationError("give ids, or --all, or --namespace NAME") }
    }
}

/// A list that people look at page by page.
struct ReviewedList<Element: Sendable>: Sendable {
    static var pageSize: Int { 500 }

    let page: @Sendable (_ after: ChangeSequence, _ limit: Int) async throws(CacheError) -> ReviewPage<Element>
    let sequence: @Sendable (Element) -> ChangeSequence
    let key: @Sendable (Element) -> CacheKey

    /// Gives each element of a namespace, or all; `body` gives `false` to stop.
    ///
    /// - Returns: how many records did not authenticate.
    func forEach(
        namespace: String? = nil, through last: ChangeSequence? = nil,
        _ body: ([Element]) async throws -> Bool
    ) async throws -> Int {
        var unreadable = 0
        var cursor: ChangeSequence? = .zero
        while let after = cursor {
            let page = try await page(after, Self.pageSize)
            unreadable += page.unreadable
            var elements = page.elements
            if let namespace { elements.removeAll { !key($0).string.hasPrefix("\(namespace):") } }
            if let last { elements.removeAll { sequence($0) > last } }
            if !elements.isEmpty, try await !body(elements) { return unreadable }
            cursor = page.next
        }
        return unreadable
    }

    /// Decides about what was selected, a page at a time, each in one transaction.
    ///
    /// - Parameter confirm: is told how many they are, and throws where that is not wanted. What comes later is left alone.
    func decide(
        _ selection: SelectionOptions, confirm: (Int) throws -> Void,
        _ decision: ([ChangeSequence]) async throws(CacheError) -> [ReviewOutcome]
    ) async throws -> ReviewTally {
        var tally = ReviewTally()
        guard selection.ids.isEmpty else {
            let ids = selection.ids.map(ChangeSequence.init)
            try confirm(ids.count)
            for start in stride(from: 0, to: ids.count, by: Self.pageSize) {
                tally.add(try await decision(Array(ids[start..<min(start + Self.pageSize, ids.count)])))
            }
            return tally
        }
        var count = 0
        var last = ChangeSequence.zero
        tally.unreadable = try await forEach(namespace: selection.namespace) { elements in
            count += elements.count
            last = elements.map(sequence).max() ?? last
            return true
        }
        guard count > 0 else { return tally }
        try confirm(count)
        _ = try await forEach(namespace: selection.namespace, through: last) { elements in
            tally.add(try await decision(elements.map(sequence)))
            return true
        }
        return tally
    }
}

/// How many decisions ended how.
struct ReviewTally {
    var done = 0
    var superseded = 0
    var missing = 0
    var valueNotKept = 0
    var unreadable = 0

    mutating func add(_ outcomes: [ReviewOutcome]) {
        for outcome in outcomes {
            switch outcome {
            case .done: done += 1
            case .superseded: superseded += 1
            case .missing: missing += 1
            case .valueNotKept: valueNotKept += 1
            case .unreadable: unreadable += 1
            }
        }
    }

    /// Prints what came of a decision, and ends with 3 where some of it did not.
    ///
    /// - Parameter spares: whether what was superseded was left alone, and not done with.
    func report(_ decision: String, left: Int, pending: Int, spares: Bool, json: Bool) throws {
        var fields = Report(schema: SyncReport.schema)
        fields.add("decision", decision)
        fields.add("done", done)
        fields.add("superseded", superseded)
        fields.add("missing", missing)
        fields.add("value_not_kept", valueNotKept)
        fields.add("unreadable", unreadable)
        fields.add("left", left)
        fields.add("pending_changes", pending)
        fields.print(json: json)
        if unreadable > 0 {
            StandardError.write(
                "cachekit: \(unreadable) records do not authenticate and were left alone; see: cachekit doctor")
        }
        if missing + valueNotKept + unreadable + (spares ? superseded : 0) > 0 { throw ExitStatus.partial }
    }
}
