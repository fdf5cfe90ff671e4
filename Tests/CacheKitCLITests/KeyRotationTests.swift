import Foundation
import Testing

/// The family's three steps of a rotation, from the shell.
struct KeyRotationTests {
    private static let newKey = String(repeating: "b2", count: 32)

    private static let ahead: [String: String?] = [
        "CACHEKIT_MASTER_KEY": newKey, "CACHEKIT_PREVIOUS_MASTER_KEYS": CommandLineTool.key,
    ]

    private func fingerprints(_ tool: CommandLineTool, _ environment: [String: String?] = [:]) async throws
        -> [[String]]
    {
        let stats = try await tool.run("stats", "--json", environment: environment).output
        return stats.matches(of: /\{"key":"([0-9a-f]{32})","role":"([a-z]+)","rows":(\d+)\}/)
            .map { [String($0.1), String($0.2), String($0.3)] }
    }

    @Test func `a key is announced, promoted and retired without a value being lost`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        for number in 0..<5 { _ = try await tool.run("set", "k\(number)", "\(number)") }
        // 1: every process can open what comes.
        let announced = ["CACHEKIT_PREVIOUS_MASTER_KEYS": Self.newKey]
        #expect(try await tool.run("get", "k1", environment: announced).output == "1\n")
        let kept = try await tool.run("keys", "retire", "--json", environment: announced)
        #expect(kept.status == 0)
        #expect(kept.output.contains(#""retired":[],"kept_upcoming":["#), "a key that is yet to come is kept")
        // 2: it is promoted.
        #expect(try await fingerprints(tool, Self.ahead).map { $0[1...] } == [["current", "0"], ["previous", "5"]])
        let refused = try await tool.run("keys", "retire", environment: Self.ahead)
        #expect(refused.status == 3)
        #expect(refused.errors.contains("5 rows: run 'cachekit keys rotate'"))
        let rotated = try await tool.run("keys", "rotate", "--json", environment: Self.ahead)
        #expect(rotated.status == 0)
        #expect(rotated.output.contains(#""resealed":5,"waiting":0"#))
        #expect(try await fingerprints(tool, Self.ahead).map { $0[1...] } == [["current", "5"], ["previous", "0"]])
        // Who is still behind reads on, and can't turn it back.
        #expect(try await tool.run("get", "k2", environment: announced).output == "2\n")
        #expect(try await tool.run("keys", "rotate", environment: announced).status == 7)
        // 3: the old one goes.
        let retired = try await tool.run("keys", "retire", "--json", environment: Self.ahead)
        #expect(retired.status == 0)
        #expect(try await tool.run("keys", "retire", environment: Self.ahead).status == 0, "again is harmless")
        #expect(try await tool.run("get", "k3").status == 7)
        #expect(try await tool.run("get", "k3", environment: Self.ahead).output == "3\n")
        #expect(try await tool.run("get", "k3").status == 7, "the ring that still holds it did not bring it back")
        #expect(try await tool.run("get", "k4", environment: ["CACHEKIT_MASTER_KEY": Self.newKey]).output == "4\n")
    }

    @Test func `a key is retired by its fingerprint, and what is none is refused`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "k", "1")
        let old = try #require(try await fingerprints(tool).first?[0])
        _ = try await tool.run("keys", "rotate", environment: Self.ahead)
        let alone = ["CACHEKIT_MASTER_KEY": Self.newKey]
        for wrong in ["12", String(repeating: "g", count: 32), String(repeating: "é", count: 16)] {
            let outcome = try await tool.run("keys", "retire", "--fingerprint", wrong, environment: alone)
            #expect(outcome.status == 2)
        }
        let stranger = String(repeating: "0f", count: 16)
        #expect(try await tool.run("keys", "retire", "--fingerprint", stranger, environment: alone).status == 2)
        #expect(try await tool.run("keys", "retire", environment: alone).status == 2, "no key is named")
        #expect(try await tool.run("keys", "retire", "--fingerprint", old, environment: alone).status == 0)
        #expect(try await tool.run("get", "k").status == 7)
        let current = try #require(try await fingerprints(tool, alone).first?[0])
        #expect(try await tool.run("keys", "retire", "--fingerprint", current, environment: alone).status == 2)
    }

    @Test func `values under a key that is not given are marked unknown and left`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "k", "1")
        _ = try await tool.run("get", "k", environment: Self.ahead)
        let alone = ["CACHEKIT_MASTER_KEY": Self.newKey]
        #expect(try await fingerprints(tool, alone).map { $0[1...] } == [["current", "0"], ["unknown", "1"]])
        let rotated = try await tool.run("keys", "rotate", "--json", environment: alone)
        #expect(rotated.status == 3)
        #expect(rotated.output.contains(#""unopened":1"#))
    }
}
