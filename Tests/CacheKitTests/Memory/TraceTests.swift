import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKit

/// Parts of the public traces in the `shared` folder beside the checkout (or `CACHEKIT_SHARED`).
struct TraceTests {
    private static let folder: URL? = {
        if let path = ProcessInfo.processInfo.environment["CACHEKIT_SHARED"] {
            return URL(filePath: path).appending(path: "traces")
        }
        var folder = URL(filePath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let traces = folder.appending(path: "shared/traces")
            if FileManager.default.fileExists(atPath: traces.path) { return traces }
        }
        return nil
    }()

    /// Trace, share of its keys that fits, and the least of S3-FIFO's hit ratio less three points and what was measured.
    @Test(
        .enabled(if: folder != nil, "the traces are in ../shared/traces, which is absent"),
        arguments: [
            ("multi3", 0.02, 0.25), ("multi3", 0.1, 0.46), ("multi3", 0.3, 0.61), ("sprite", 0.02, 0.35),
            ("sprite", 0.1, 0.85),
        ])
    func `the hit ratio on a public trace stays where it was measured`(name: String, share: Double, least: Double)
        throws
    {
        let keys = try Self.keys(name)
        let distinct = Set(keys).count
        var configuration = MemoryConfiguration()
        let expiresAt = Timestamp(milliseconds: 1000)
        let entry = MemoryEntry(
            bytes: [1], form: .plain, mode: .native, expiresAt: expiresAt, staleAt: expiresAt, writtenAt: .zero,
            sequence: .zero)
        configuration.maximumBytes = Int(Double(distinct) * share) * entry.charge
        let tier = MemoryTier(configuration)
        for key in keys where tier.entry(key, now: Timestamp(milliseconds: 0)) == nil {
            tier.shard(key).put(key, entry)
        }
        let statistics = tier.statistics
        #expect(Double(statistics.hits) / Double(statistics.hits + statistics.misses) > least)
    }

    private static func keys(_ name: String) throws -> [Hash128] {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/bin/gzip")
        process.arguments = ["-dc", try #require(folder).appending(path: "\(name).txt.gz").path]
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return text.split(separator: UInt8(ascii: "\n")).map { Hash128(String(decoding: $0, as: UTF8.self)) }
    }
}
