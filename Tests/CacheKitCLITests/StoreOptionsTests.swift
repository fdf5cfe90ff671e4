import CacheKitSQLite
import Testing

@testable import CacheKitCLI

struct StoreOptionsTests {
    @Test func `no command evicts: its bound is beyond what any file can hold`() {
        // 4,294,967,294 pages of 64 KiB (sqlite.org/limits.html#max_page_count).
        #expect(StoreOptions.file("cache.db").sizeLimit > 4_294_967_294 * 65_536)
        #expect(StoreOptions.file("cache.db").path == "cache.db")
    }
}
