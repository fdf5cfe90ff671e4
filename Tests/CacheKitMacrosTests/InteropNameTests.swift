import CacheKit
import CacheKitMacrosExpansion
import Testing

struct InteropNameTests {
    private static let names = [
        "", "a", "7", "get_user", "a.b-c_d", "A", "aB", ".a", "-a", "_a", "a b", "a\n", "\na", "a:b", "é", "aé",
        "e\u{301}", "a\u{0}", "ckv",
        "ckv2", "ckv.x", String(repeating: "a", count: 64), String(repeating: "a", count: 65),
        String(repeating: "é", count: 40),
    ]

    @Test(arguments: names) func `the compiler refuses the names that the library refuses`(name: String) {
        let isNamespace = (try? InteropOperation(namespace: name, operation: "get")) != nil
        #expect((InteropName.problem(with: name, isNamespace: true) == nil) == isNamespace)
        let isOperation = (try? InteropOperation(namespace: "users", operation: name)) != nil
        #expect((InteropName.problem(with: name, isNamespace: false) == nil) == isOperation)
    }
}
