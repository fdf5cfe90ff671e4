import CacheKitCore

/// What is written, sealed and read; the same in every run.
enum Samples {
    static let masterKey = [UInt8](0..<32)

    static func keyring() throws -> Keyring {
        try Keyring(current: MasterKey(bytes: masterKey))
    }

    static func cipher() throws -> TenantCipher {
        try TenantCipher(keyring: keyring(), tenant: "default")
    }

    /// The key that `cipher()` seals under, for the floor: the same derivation.
    static func sealingKey() throws -> [UInt8] {
        try MasterKey(bytes: masterKey).derive(domain: "encryption", tenant: "default").withBytes { Array($0) }
    }

    /// Bytes that do not compress.
    static func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SplitMix(state: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// Records like those of a web service's answer, cut to `count` bytes.
    static func jsonBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        let names = ["Ada", "Grace", "Edsger", "Barbara", "Alan", "Katherine", "Donald", "Margaret"]
        let cities = ["Oslo", "Lisbon", "Nairobi", "Kyoto", "Montevideo", "Halifax", "Tallinn"]
        var random = SplitMix(state: seed)
        var bytes = Array("[".utf8)
        while bytes.count < count {
            let name = names[Int(random.next() % UInt64(names.count))]
            let city = cities[Int(random.next() % UInt64(cities.count))]
            let identifier = random.next() % 10_000_000
            let record = """
                {"id":\(identifier),"name":"\(name)","city":"\(city)","score":\(Double(random.next() % 100_000) / 100),\
                "active":\(random.next() & 1 == 0),"token":"\(String(random.next(), radix: 16))"},
                """
            bytes += Array(record.utf8)
        }
        return Array(bytes[..<count])
    }

    /// Physical keys of 30 characters. Each call makes strings of its own, as a program makes its keys anew.
    static func keys(_ count: Int) -> [String] {
        (0..<count).map { key($0) }
    }

    private static func key(_ number: Int) -> String {
        let digits = String(number)
        return "users:profile:" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The key with a number.
    static func cacheKey(_ number: Int) -> CacheKey {
        guard let key = try? CacheKey(key(number)) else { preconditionFailure("30 characters are a key") }
        return key
    }

    /// Its counterpart for a floor: 32 random bytes.
    static func floorKey(_ number: Int) -> [UInt8] {
        var random = SplitMix(state: UInt64(number) << 20)
        return (0..<4).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
    }

    /// The numbers below `count`, shuffled.
    static func order(_ count: Int, seed: UInt64 = 7) -> [Int] {
        var random = SplitMix(state: seed)
        return Array(0..<count).shuffled(using: &random)
    }
}

/// SplitMix64 (Steele et al., 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Numbers what is written, so that no two writes carry the same bytes.
func stamp(_ bytes: inout [UInt8], _ number: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: number, as: Int.self) }
}
