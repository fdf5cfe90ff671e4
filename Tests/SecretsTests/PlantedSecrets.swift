import CacheKit
import CacheKitTesting

/// What must be found nowhere, and every form that it is looked for in.
struct PlantedSecrets: Sendable {
    let masterKey: [UInt8]
    let previousKey: [UInt8]
    let user = "plantedusername"
    let password = "plantedpassword"
    let tenant = "plantedtenantname"
    let namespace = "plantednamespace"
    let key = "plantedkeyname"
    let value = "plantedvalueofakey"
    let tag = "plantedtagofavalue"

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        masterKey = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
        previousKey = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    func keyring() throws -> Keyring {
        try Keyring(current: MasterKey(bytes: masterKey), previous: [MasterKey(bytes: previousKey)])
    }

    /// The name of a secret with one form of it.
    var needles: [(name: String, form: String)] {
        let texts = [
            ("user", user), ("password", password), ("tenant", tenant), ("namespace", namespace), ("key", key),
            ("value", value), ("tag", tag),
        ]
        let bytes = [("master key", masterKey), ("previous key", previousKey)]
        return texts.map { ($0.0, $0.1) }
            + (texts.map { ($0.0, Array($0.1.utf8)) } + bytes).flatMap { name, bytes in
                Self.forms(of: bytes).map { (name, $0) }
            }
    }

    /// Hex in both cases, base64 wherever the bytes begin in it, and the list of numbers that an array prints.
    private static func forms(of bytes: [UInt8]) -> [String] {
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let base64 = (0..<3).map { shift -> String in
            // Only the characters that depend on nothing before and after the bytes.
            let text = Self.base64(of: [UInt8](repeating: 0, count: shift) + bytes)
            let first = (shift * 8 + 5) / 6
            return String(text.dropFirst(first).prefix((shift + bytes.count) * 8 / 6 - first))
        }
        return [hex, hex.uppercased(), bytes.map { "\($0)" }.joined(separator: ", ")] + base64
    }

    static func base64(of bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start...].prefix(3)
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for index in 0...3 { text.append(index > group.count ? "=" : alphabet[bits >> (18 - 6 * index) & 63]) }
        }
        return text
    }
}
