import CacheKit

/// Which changes a replay is about and what happens to them: two calls with the same terms are about the same replay.
struct ReplayTerms: Codable, Sendable, Equatable {
    private var state: String
    private var namespace: String?
    private var pattern: String?
    private var olderThan: Int64?
    private var newerThan: Int64?
    private var from: UInt64?
    private var through: UInt64?
    private var policy: String
    private(set) var sendsTooOld: Bool

    init(_ selection: ReplaySelection, _ options: ReplayOptions) {
        state = selection.state.rawValue
        namespace = selection.namespace
        pattern = selection.pattern?.text
        olderThan = selection.olderThan?.wholeMilliseconds
        newerThan = selection.newerThan?.wholeMilliseconds
        from = selection.from?.number
        through = selection.through?.number
        policy = options.policy.rawValue
        sendsTooOld = options.sendsTooOld
    }

    var replayPolicy: ReplayOptions.Policy { ReplayOptions.Policy(rawValue: policy) ?? .report }

    var selection: ReplaySelection {
        var selection = ReplaySelection()
        selection.state = ReplaySelection.State(rawValue: state) ?? .settled
        selection.namespace = namespace
        selection.pattern = pattern.map { KeyPattern($0) }
        selection.olderThan = olderThan.map { .milliseconds($0) }
        selection.newerThan = newerThan.map { .milliseconds($0) }
        selection.from = from.map { ChangeSequence($0) }
        selection.through = through.map { ChangeSequence($0) }
        return selection
    }
}
