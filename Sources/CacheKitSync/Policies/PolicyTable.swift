import CacheKitCore

/// The policy of a key: that of the longest declared namespace that begins it.
struct PolicyTable: Sendable {
    private let fallback: SyncPolicy
    private let byNamespace: [String: SyncPolicy]
    let hasSingleWriters: Bool
    /// Whether anything that the remote lost is sent again.
    let repopulates: Bool

    init(_ fallback: SyncPolicy, _ byNamespace: [String: SyncPolicy]) {
        self.fallback = fallback
        self.byNamespace = byNamespace
        let all = [fallback] + byNamespace.values
        repopulates = all.contains { $0.lost == .repopulate }
        hasSingleWriters = all.contains(where: \.isSingleWriter)
    }

    func policy(for key: CacheKey) -> SyncPolicy {
        guard !byNamespace.isEmpty else { return fallback }
        var name = Substring(key.string)
        while let colon = name.lastIndex(of: ":") {
            name = name[..<colon]
            if let policy = byNamespace[String(name)] { return policy }
        }
        return fallback
    }
}
