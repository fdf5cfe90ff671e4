import Testing

/// What a forked process inherits of a key: everything but the right to go on with its parent's nonces.
struct ForkTests {
    @Test func `parent, forked children and theirs never seal under one nonce, and each draws a prefix of its own`()
        throws
    {
        let (status, lines) = try ChildProcess(["fork"]).run()
        #expect(status == 0)
        var prefixes: [Substring: Set<Substring>] = [:]
        var nonces: [Substring] = []
        for line in lines {
            let words = line.split(separator: " ")
            nonces.append(words[1])
            // The parent is one process before and after.
            prefixes[words[0] == "before" ? "parent" : words[0], default: []].insert(words[1].prefix(16))
        }
        #expect(nonces.count == 3 + 4 * 15)
        #expect(Set(nonces).count == nonces.count)
        #expect(prefixes.count == 9)
        #expect(prefixes.values.allSatisfy { $0.count == 1 }, "one context, one process, one prefix")
        #expect(Set(prefixes.values.flatMap { $0 }).count == 9, "no process has another one's prefix")
    }
}
