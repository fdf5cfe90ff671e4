import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

/// Random patterns over few letters, so that they meet names: chosen as Redis chooses.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct KeyPatternEquivalenceTests {
    @Test func `a pattern chooses the names that Redis chooses`() async throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let world = try await VersionedWorld.start()
        func text(_ letters: String, _ lengths: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: lengths, using: &random)).compactMap { _ in letters.randomElement(using: &random) })
        }
        var names: Set<String> = ["a-b", "]", "^", "\\"]
        while names.count < 60 { names.insert("glob" + text("abc-]^\\*", 0...5)) }
        for name in names { try await world.command(Array("SET".utf8), Array(name.utf8), [1]) }
        for _ in 0..<TestEffort.count(short: 2_000, long: 100_000) {
            let pattern = Bool.random(using: &random) ? text("abc*?[]^-\\", 0...8) : "glob" + text("abc*?[]^-\\", 0...8)
            let reply = try await world.command(Array("KEYS".utf8), Array(pattern.utf8))
            guard case .array(let found) = reply else {
                Issue.record("KEYS gave \(reply)")
                return
            }
            let chosen = Set(
                found.compactMap { value -> String? in
                    if case .bulkString(let bytes) = value { String(decoding: bytes, as: UTF8.self) } else { nil }
                }
            ).intersection(names)
            let expected = names.filter { KeyPattern(pattern).matches($0) }
            guard chosen == expected else {
                Issue.record("seed \(seed), '\(pattern)': Redis \(chosen.sorted()), here \(expected.sorted())")
                return
            }
        }
    }
}
