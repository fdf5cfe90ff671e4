import Testing

@testable import CacheKitCore

struct LocatedJSONTests {
    private func read(_ text: String) throws(CacheError) -> LocatedJSON { try LocatedJSON(Array(text.utf8)) }

    @Test func `each member is on its line, by its path`() throws {
        let json = try read("{\"a\": 1,\n\n \"b\": {\"a\": [{\"x\": 1}],\n\"c\": {}}, \"d\":\n 2}")
        #expect(json.line(of: "a") == 1)
        #expect(json.line(of: "b") == 3)
        #expect(json.line(of: "b.a") == 3)
        #expect(json.line(of: "b.c") == 4)
        #expect(json.line(of: "d") == 4)
        #expect(
            json.value
                == (try MessagePackValue(json: Array("{\"a\":1,\"b\":{\"a\":[{\"x\":1}],\"c\":{}},\"d\":2}".utf8))))
    }

    @Test(arguments: [
        ("{\n\"a\": 1,\n}", 3), ("{\"a\"\n\n 1}", 3), ("", 1), ("{\"a\": 1,\n\"a\": 2}", 2), ("{}\n\n\n x", 4),
    ])
    func `what is not well formed is told by its line`(text: String, line: Int) {
        let error = #expect(throws: CacheError.self) { try read(text) }
        #expect(error?.code == .decoding)
        #expect(error?.message.hasPrefix("line \(line): ") == true, "\(error?.message ?? "")")
    }
}
