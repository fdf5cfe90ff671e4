import CacheKitCore
import Testing

@testable import CacheKit

struct FreshnessTests {
    /// Written at 0, lives until 1,000, kept until `expiresAt`; all milliseconds.
    private func freshness(
        at now: Int64, writtenAt: Int64 = 1, expiresAt: Int64 = 10_000, isNegative: Bool = false, spread: Double = 0,
        _ adjust: (inout LoadingPolicy) -> Void
    ) -> Freshness {
        var policy = LoadingPolicy()
        adjust(&policy)
        let entry = MemoryEntry(
            bytes: [], form: .plain, mode: .native, expiresAt: Timestamp(milliseconds: expiresAt),
            staleAt: Timestamp(milliseconds: 1_001), writtenAt: Timestamp(milliseconds: writtenAt),
            isNegative: isNegative, sequence: .zero)
        return Freshness(entry, policy, spread: spread, at: Timestamp(milliseconds: now))
    }

    @Test func `a value is fresh to the last millisecond of its life`() {
        #expect(freshness(at: 1_000) { _ in } == .fresh)
        #expect(freshness(at: 1_001) { _ in } == .over)
    }

    @Test func `a value is due once its share of life has passed, and up to a tenth of it sooner`() {
        func isDue(at now: Int64, spread: Double, writtenAt: Int64 = 1) -> Bool {
            freshness(at: now, writtenAt: writtenAt, spread: spread) { $0.eagerRefresh = 0.8 } == .dueForRefresh
        }
        #expect(!isDue(at: 800, spread: 0))
        #expect(isDue(at: 801, spread: 0))
        #expect(!isDue(at: 700, spread: 1))
        #expect(isDue(at: 701, spread: 1))
        // Nobody knows when it was written, and it was read just now.
        #expect(!isDue(at: 990, spread: 1, writtenAt: 0))
    }

    @Test func `a stale value is served for its window, then only as a last resort, then not`() {
        func stale(at now: Int64) -> Freshness {
            freshness(at: now) {
                $0.staleWhileRevalidate = .seconds(1)
                $0.staleIfError = .seconds(3)
            }
        }
        #expect(stale(at: 2_000) == .stale)
        #expect(stale(at: 2_001) == .lastResort)
        #expect(stale(at: 4_000) == .lastResort)
        #expect(stale(at: 4_001) == .over)
    }

    @Test func `nothing is served that is not kept, and a negative result is never stale`() {
        #expect(freshness(at: 1_500, expiresAt: 1_400) { $0.staleWhileRevalidate = .seconds(1) } == .over)
        #expect(freshness(at: 1_500, isNegative: true) { $0.staleWhileRevalidate = .seconds(1) } == .over)
        #expect(freshness(at: 990, isNegative: true) { $0.eagerRefresh = 0.5 } == .fresh)
    }
}
