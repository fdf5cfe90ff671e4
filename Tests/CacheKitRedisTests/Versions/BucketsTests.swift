import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitRedis

@Suite struct BucketsTests {
    @Test func `one server has 256 buckets, by the lowest bits of the whole key's checksum`() throws {
        let buckets = Buckets(hasOneServer: true)
        #expect(buckets.count == 256)
        // CRC-16/XMODEM of "123456789" is 0x31C3.
        #expect(buckets.bucket(of: try CacheKey("123456789")) == 0xC3)
        #expect(buckets.bucket(of: try CacheKey("{a}1")) != buckets.bucket(of: try CacheKey("{a}2")))
        #expect(buckets.name(0) == "ckv:0" && buckets.name(255) == "ckv:255")
        let used = try Set((0..<10_000).map { buckets.bucket(of: try CacheKey("key \($0)")) })
        #expect(used == Set(0..<256))
    }

    @Test func `a Cluster has a bucket in each slot, whose tag is the smallest number there`() throws {
        let buckets = Buckets(hasOneServer: false)
        #expect(buckets.count == 16_384)
        #expect(buckets.bucket(of: try CacheKey("123456789")) == 0x31C3)
        for slot in 0..<buckets.count {
            let name = buckets.name(slot)
            guard HashSlot(of: name).number == slot else {
                Issue.record("\(name) is not in slot \(slot)")
                return
            }
        }
        // A reader of the documentation can find them without us.
        for slot in [0, 1, 5_000, 16_383] {
            let smallest = try #require((0...).lazy.first { HashSlot(of: String($0)).number == slot })
            #expect(buckets.name(slot) == "ckv:{\(smallest)}")
        }
    }

    @Test func `a mark lies under a zero byte and the node's id`() {
        #expect(hex(Buckets.markField(of: 0x0102_0304_0506_0708)) == "000102030405060708")
    }
}
