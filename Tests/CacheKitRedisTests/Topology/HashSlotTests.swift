import Testing

@testable import CacheKitRedis

@Suite struct HashSlotTests {
    // The first is the check value of CRC-16/XMODEM; the others are examples of redis.io (Cluster specification,
    // CLUSTER KEYSLOT) and of a redis-server 7.0.
    @Test(arguments: [
        ("123456789", 0x31C3), ("somekey", 11_058), ("foo{hash_tag}", 2515), ("bar{hash_tag}", 2515), ("foo", 12_182),
        ("bar", 5061), ("hello", 866), ("", 0),
    ])
    func `a key has the slot that Redis gives it`(_ key: String, _ slot: Int) {
        #expect(HashSlot(of: key).number == slot)
    }

    @Test(arguments: [
        ("{user1000}.following", "user1000"), ("foo{{bar}}zap", "{bar"), ("foo{bar}{zap}", "bar"), ("a{b}", "b"),
    ])
    func `what stands in the first braces decides`(_ key: String, _ tag: String) {
        #expect(HashSlot(of: key) == HashSlot(of: tag))
    }

    @Test(arguments: [("foo{}{bar}", 8363), ("foo{bar", 15_278), ("foo}bar{", 11_073), ("{}", 15_257)])
    func `braces that are empty or open count like any other letters`(_ key: String, _ slot: Int) {
        #expect(HashSlot(of: key).number == slot)
    }

    @Test func `there are 16,384`() {
        #expect(HashSlot(number: 0) != nil && HashSlot(number: 16_383) != nil)
        #expect(HashSlot(number: -1) == nil && HashSlot(number: 16_384) == nil)
        #expect(Set((0..<200_000).map { HashSlot(of: "k\($0)") }).count == 16_384)
    }
}
