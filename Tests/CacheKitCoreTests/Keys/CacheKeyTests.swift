import Testing

@testable import CacheKitCore

struct CacheKeyTests {
    @Test(arguments: ["", "a\u{0}b", "\u{0}", String(repeating: "a", count: 1025), String(repeating: "é", count: 513)])
    func `a key that is empty, over-long or holds a NUL is refused without repeating it`(text: String) {
        let error = #expect(throws: CacheError.self) { try CacheKey(text) }
        #expect(error?.code == .invalidKey)
        #expect(error?.message.contains("aaaa") == false)
    }

    // The last one is a grapheme of colon and accent, but Redis sees the bytes `ckv:` first.
    @Test(arguments: ["ckv:", "ckv:0", "ckv:{tag}", "ckv:\u{301}"])
    func `keys of CacheKit's own records are refused`(text: String) {
        #expect(throws: CacheError.self) { try CacheKey(text) }
    }

    @Test func `the longest key, near misses of the reserved prefix and any UTF-8 are keys`() throws {
        for text in [String(repeating: "a", count: 1024), "ckv", "ckvx:1", "CKV:1", " ", "a\nb", "👩‍👩‍👧", "t:ckv:1"] {
            #expect(try CacheKey(text).string.utf8.elementsEqual(text.utf8))
        }
    }

    @Test func `keys that differ only by Unicode normalisation are two keys`() throws {
        let composed = try CacheKey("caf\u{E9}")
        let decomposed = try CacheKey("cafe\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(composed == (try CacheKey("caf\u{E9}")))
        #expect(try CacheKey("\u{1100}\u{1161}") != CacheKey("\u{AC00}"))
    }

    @Test func `a key in a namespace stands after a colon`() throws {
        #expect(try CacheKey(namespace: "users", key: "42").string == "users:42")
        #expect(throws: CacheError.self) { try CacheKey(namespace: "users", key: "") }
        #expect(throws: CacheError.self) { try CacheKey(namespace: "ckv", key: "1") }
        #expect(throws: CacheError.self) { try CacheKey(namespace: "users", key: String(repeating: "k", count: 1019)) }
    }
}
