import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

struct PolicyTableTests {
    private func policy(_ adjust: (inout SyncPolicy) -> Void) -> SyncPolicy {
        var policy = SyncPolicy()
        adjust(&policy)
        return policy
    }

    @Test(
        arguments: [
            ("users:1", "users"), ("users:eu:1", "users:eu"), ("users:eu:x:1", "users:eu"), ("users:us:1", "users"),
            ("usersX:1", nil), ("users", nil), ("other:users:1", nil),
        ] as [(String, String?)])
    func `the policy of a key is that of the longest namespace that begins it`(key: String, name: String?) throws {
        let byNamespace = [
            "users": policy { $0.foreign = .localWins }, "users:eu": policy { $0.foreign = .invalidate },
        ]
        let table = PolicyTable(SyncPolicy(), byNamespace)
        #expect(table.policy(for: try CacheKey(key)) == (name.flatMap { byNamespace[$0] } ?? SyncPolicy()))
    }

    @Test func `what any namespace wants is known of the whole`() {
        let trusting = policy { $0.lost = .trustRemote }
        #expect(PolicyTable(SyncPolicy(), [:]).repopulates)
        #expect(!PolicyTable(trusting, ["a": trusting]).repopulates)
        #expect(PolicyTable(trusting, ["a": SyncPolicy()]).repopulates)
        #expect(!PolicyTable(SyncPolicy(), [:]).hasSingleWriters)
        #expect(PolicyTable(SyncPolicy(), ["a": policy { $0.isSingleWriter = true }]).hasSingleWriters)
    }
}
