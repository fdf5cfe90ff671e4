import CacheKitTesting
import Testing

/// One set of servers and sentinels for all tests of a suite; it takes seconds to make and to fail over.
struct SentinelSetTrait: SuiteTrait, TestScoping {
    @TaskLocal static var set: RedisSentinelSet?

    static let password = "for-the-data"
    static let sentinelPassword = "for-the-sentinels"

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let set = try await RedisSentinelSet.start(password: Self.password, sentinelPassword: Self.sentinelPassword)
        defer { set.stop() }
        try await Self.$set.withValue(set) { try await function() }
    }
}

extension Trait where Self == SentinelSetTrait {
    static var sentinelSet: Self { SentinelSetTrait() }
}
