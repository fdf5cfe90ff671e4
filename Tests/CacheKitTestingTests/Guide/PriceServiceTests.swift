import CacheKit
import CacheKitTesting
import Testing

/// The code under test: asks a shop for prices, and remembers them.
struct PriceService: Sendable {
    let prices: Namespace<Int>
    let shop: Shop

    init(cache: Cache, shop: Shop) {
        prices = cache.namespace("prices", of: Int.self)
        self.shop = shop
    }

    func price(of article: String) async throws -> Int {
        try await prices.getOrSet(article) { try await shop.price(of: article) }
    }
}

/// Stands in for the network.
actor Shop {
    private(set) var questions = 0

    func price(of article: String) throws -> Int {
        questions += 1
        return 100 * questions
    }
}

struct PriceServiceTests {
    @Test func `the shop is asked once a minute`() async throws {
        let (cache, clock) = try await Cache.testing()
        let shop = Shop()
        let service = PriceService(cache: cache, shop: shop)
        #expect(try await service.price(of: "tea") == 100)
        clock.advance(by: .seconds(59))
        #expect(try await service.price(of: "tea") == 100)
        clock.advance(by: .seconds(1))
        #expect(try await service.price(of: "tea") == 200)
        #expect(await shop.questions == 2)
    }
}
