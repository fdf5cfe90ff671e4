import CacheKitCore
import Foundation
import Testing

struct ConfigCommandTests {
    private let tool: CommandLineTool

    init() throws { tool = try CommandLineTool() }

    private func write(_ text: String) throws -> String {
        let path = tool.path("settings.json")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func `what would be used is printed with its source, and no password or key`() async throws {
        defer { tool.remove() }
        let file = try write(#"{"encryption": "secure", "sqlite": {"size_limit": "256M"}}"#)
        let run = try await tool.run(
            "config", "check", "--file", file, "--preset", "production",
            environment: ["CACHEKIT_REDIS_URL": "redis://ada:xyzzymarker@cache.internal/2"])
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.isEmpty)
        let lines = run.outputLines.map { $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init) }
        #expect(lines.contains(["preset", "production"]))
        #expect(lines.contains(["sqlite.size_limit", "256M", "line", "1"]))
        #expect(lines.contains(["redis.url", "redis://***@cache.internal:6379/2", "environment"]))
        #expect(lines.contains(["memory.shards", "16", "preset"]))
        #expect(!run.output.contains("xyzzymarker"))
        #expect(!run.output.contains(CommandLineTool.key))
        #expect(!FileManager.default.fileExists(atPath: tool.path("cache.db")))
    }

    @Test func `every mistake is a line on standard error, and the exit code is 2`() async throws {
        defer { tool.remove() }
        let file = try write(
            #"{"preset": "secure", "sqlite": {"size_limt": "256M"}, "redis": {"breaker_threshold": 0}}"#)
        let run = try await tool.run(
            "config", "check", "--json", "--file", file,
            environment: ["CACHEKIT_DEFAULT_TTL": "soon", "CACHEKIT_DATABSE": "xyzzymarker"])
        #expect(run.status == 2)
        #expect(run.errorLines.count == 5, "\(run.errors)")
        #expect(run.errorLines.allSatisfy { $0.hasPrefix("cachekit: ") })
        for words in [
            "sqlite.size_limt (line 1) means nothing; did you mean sqlite.size_limit?", "CACHEKIT_DEFAULT_TTL must be",
            "CACHEKIT_DATABSE means nothing; did you mean CACHEKIT_DATABASE?",
            "redis.breaker_threshold (line 1) must be",
            "redis.breaker_threshold (line 1) has no effect without redis.url (CACHEKIT_REDIS_URL)",
        ] {
            #expect(run.errors.contains(words), "\(words)")
        }
        #expect(!(run.output + run.errors).contains("xyzzymarker"))
        guard case .map(let entries) = try MessagePackValue(json: Array(run.output.utf8)),
            case .array(let mistakes) = entries.first(where: { $0.key == "mistakes" })?.value
        else {
            Issue.record("no report: \(run.output)")
            return
        }
        #expect(mistakes.count == 5)
    }
}
