import Testing

@testable import CacheKit

struct KeyPatternTests {
    @Test(arguments: [
        ("users:*", "users:42", true), ("users:*", "user:42", false), ("*", "", true), ("", "", true), ("", "a", false),
        ("?", "a", true), ("?", "", false), ("a?c", "abc", true), ("a*c", "abbbc", true), ("a*c", "abbbd", false),
        ("a**c", "ac", true), ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[^a]", "b", true),
        ("[^a]", "a", false),
        ("[c-a]", "b", true), ("\\*", "*", true), ("\\*", "a", false), ("[\\]]", "]", true),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b", "xxaxxbxx", false), ("h[ae]llo", "hello", true), ("h[ae]llo", "hillo", false), ("a\\", "a\\", true),
        ("user:*:name", "user:ä:name", true), ("[", "[", false),
    ])
    func `a pattern means what it means to Redis`(_ pattern: String, _ name: String, _ isMeant: Bool) {
        #expect(KeyPattern(pattern).matches(name) == isMeant)
        #expect(KeyPattern(pattern).description == pattern)
    }

    @Test func `a pattern of many stars takes no more than the name times the pattern`() {
        let name = String(repeating: "a", count: 1_000)
        let pattern = KeyPattern(String(repeating: "*a", count: 100) + "*b")
        let start = ContinuousClock.now
        #expect(!pattern.matches(name))
        // Trying every star at every place would not end.
        #expect(ContinuousClock.now - start < .seconds(5))
    }
}
