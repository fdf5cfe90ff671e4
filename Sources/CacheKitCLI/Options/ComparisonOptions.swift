import ArgumentParser
import CacheKit
import CacheKitCore

/// What commands that compare the file with Redis have.
struct ComparisonOptions: ParsableArguments {
    @Option(name: .long, help: "Only keys that are NAMESPACE:KEY.") var namespace: String?
    @Option(name: .long, help: "At most so many rows a second.") var rate: Int?
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if let rate, !(1...10_000_000).contains(rate) {
            throw ValidationError("--rate lies between 1 and 10,000,000")
        }
    }

    /// How the keys begin; empty for all.
    var prefix: String { namespace.map { $0 + ":" } ?? "" }

    /// Opens both tiers and works with them. A Redis that does not answer at all is told at once, though there may be no row to
    /// ask it about.
    func run<Result>(_ body: (Cache) async throws -> Result) async throws -> Result {
        let cache = try await store.open(requiringDatabase: true, creatingDatabase: false, requiringRedis: true)
        return try await withCache(cache) { cache in
            if case .unavailable(let error) = await cache.health().remote.state { throw error }
            return try await body(cache)
        }
    }

    /// How many rows there are to look at.
    static func rowCount(_ cache: Cache) async throws(CacheError) -> Int? {
        try await cache.localStatistics().map { $0.entries + $0.tombstones }
    }
}
