import Testing

@testable import CacheKitCore

struct KeyringEnvironmentTests {
    private static let digits = String(repeating: "0123456789abcdef", count: 4)

    /// Hex keys that differ in their last byte.
    private static func key(_ number: Int) -> String { String(digits.dropLast()) + String(number, radix: 16) }

    private static func ring(current: String?, previous: String? = nil) throws(CacheError) -> Keyring {
        try Keyring.environment { variable in
            switch variable {
            case Keyring.masterKeyVariable: current.map { Array($0.utf8) }
            case Keyring.previousMasterKeysVariable: previous.map { Array($0.utf8) }
            default: nil
            }
        }
    }

    @Test func `the current key and three previous ones are read in their order`() throws {
        let ring = try Self.ring(current: Self.key(0), previous: [1, 2, 3].map(Self.key).joined(separator: ","))
        #expect(ring.keys == (try (0...3).map { try MasterKey(hex: Self.key($0)) }))
        #expect(ring.current == (try MasterKey(hex: Self.key(0))))
        #expect(try Self.ring(current: Self.key(0)).previous.isEmpty)
        #expect(try Self.ring(current: Self.key(0), previous: "").previous.isEmpty)
    }

    @Test(arguments: [nil, ""])
    func `no current key is its own error, also beside previous keys`(current: String?) {
        let error = #expect(throws: CacheError.self) { try Self.ring(current: current, previous: Self.key(1)) }
        #expect(error?.code == .missingMasterKey)
        #expect(error?.message.contains(Keyring.masterKeyVariable) == true)
    }

    @Test(arguments: [
        ("short", String(digits.dropLast(2))), ("of odd length", digits + "a"), ("not hex", digits.dropLast() + "g"),
        ("signed", "+" + digits + "a"), ("negative", "-" + digits + "a"), ("with 0x", "0x" + digits),
        ("with 0X", "0X" + digits), ("ended by a newline", digits + "\n"), ("ended by a space", digits + " "),
        ("begun by a space", " " + digits), ("ended by a tab", digits + "\t"), ("full-width", digits + "\u{FF11}"),
    ])
    func `a malformed current key is refused by its variable's name and without a digit of it`(
        problem: String, text: String
    ) {
        let error = #expect(throws: CacheError.self, "\(problem)") { try Self.ring(current: text) }
        #expect(error?.code == .invalidMasterKey)
        #expect(error?.message.hasPrefix(Keyring.masterKeyVariable) == true)
        #expect(error.map { "\($0) \(String(reflecting: $0))".contains("0123456789abcdef") } == false)

        let previous = #expect(throws: CacheError.self, "\(problem)") {
            try Self.ring(current: Self.key(0), previous: Self.key(1) + "," + text)
        }
        #expect(previous?.code == .invalidMasterKey)
        #expect(previous?.message.hasPrefix(Keyring.previousMasterKeysVariable) == true)
        #expect(previous.map { String(reflecting: $0).contains("0123456789abcdef") } == false)
    }

    @Test func `a fourth previous key, an empty one, and the current one among them are refused`() {
        let lists = [
            (1...4).map(Self.key).joined(separator: ","), Self.key(1) + ",", "," + Self.key(1), ",",
            Self.key(1) + ", " + Self.key(2), Self.key(1) + "," + Self.key(0), Self.key(0).uppercased(),
        ]
        for list in lists {
            let error = #expect(throws: CacheError.self) { try Self.ring(current: Self.key(0), previous: list) }
            #expect(error?.code == .invalidMasterKey)
        }
    }

    @Test func `previous keys can be read alone, for a current key from a file`() throws {
        let keys = try Keyring.previousKeysFromEnvironment { variable in
            variable == Keyring.previousMasterKeysVariable ? Array(Self.key(1).utf8) : Array("not a key".utf8)
        }
        #expect(keys == [try MasterKey(hex: Self.key(1))])
        #expect(try Keyring.previousKeysFromEnvironment { _ in nil }.isEmpty)
    }

    @Test func `all digits of a key longer than 64 count`() throws {
        let long = Self.key(0) + String(repeating: "ab", count: 32)
        let tenant = "default"
        let keys = try [Self.key(0), long, long.dropLast(2) + "ac"].map { hex in
            try MasterKey(hex: hex).derive(domain: "encryption", tenant: tenant)
        }
        #expect(keys[0] != keys[1])
        #expect(keys[1] != keys[2])
        #expect(try MasterKey(hex: long).withHex { String(decoding: $0, as: UTF8.self) } == long)
        #expect(try MasterKey(hex: long.uppercased()) == MasterKey(hex: long))
    }
}
