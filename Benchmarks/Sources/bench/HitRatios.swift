import CacheKit
import Foundation

/// Hit ratios of the memory tier on public traces, beside those of other policies and the best possible.
///
/// Ours are those of a `Cache` of memory only, as it ships: bounded in bytes, in as many shards as it makes of them, filled on
/// each miss. The bound is what so many of these entries count, so all policies hold the same number. Not timed.
struct HitRatios {
    static let name = "hit ratios on traces"
    private static let peers = ["LRU", "S3-FIFO", "W-TinyLFU", "LIRS", "ARC"]
    private static let shares = [0.02, 0.1, 0.3]

    private struct Row {
        var trace: String
        var share: Double
        var entries: Int
        var ours: Double
        var peers: [String: Double]
        var optimum: Double
    }

    /// Prints the table and adds what has a bar to the report.
    static func take(into report: inout Report) async throws {
        guard let folder = Trace.folder else {
            say("\(name): skipped, the traces are in ../shared/traces, which is absent")
            return
        }
        var rows: [Row] = []
        for trace in Trace.names { rows += try await Self.rows(folder.appending(path: "\(trace).txt.gz"), trace) }
        print(rows)
        guard rows.allSatisfy({ $0.peers.count == peers.count }) else {
            say("\(name): no peers, libcachesim is not in \(python.path); Scripts/install-deps.sh --bench installs it")
            return
        }
        let ours = mean(rows.map(\.ours))
        let peer = mean(rows.compactMap { $0.peers["S3-FIFO"] })
        report.add("\(name), mean, against S3-FIFO", ours: ours * 100, floor: peer * 100, unit: "%", bar: .atLeast(1))
        let worst = rows.map { ((($0.peers.values.max() ?? 0) - $0.ours) * 100) }.max() ?? 0
        report.add(
            "\(name), furthest below the best of the others, against 3 points", ours: max(0, worst), floor: 3,
            unit: "points", bar: .atMost(1))
    }

    private static func rows(_ file: URL, _ name: String) async throws -> [Row] {
        let trace = try Trace(file)
        let sizes = shares.map { Int(Double(trace.distinct) * $0) }
        let peers = try peerRatios(trace, sizes)
        var rows: [Row] = []
        for (share, entries) in zip(shares, sizes) {
            rows.append(
                Row(
                    trace: name, share: share, entries: entries, ours: try await ratio(trace, entries),
                    peers: peers[entries] ?? [:], optimum: trace.optimum(entries: entries)))
        }
        return rows
    }

    private static func ratio(_ trace: Trace, _ entries: Int) async throws -> Double {
        let keys = try (0..<trace.distinct).map { try CacheKey("trace:\($0)") }
        let probe = try await cache(bytes: 1 << 20)
        try await probe.bytes.set([1], for: keys[0])
        let cache = try await cache(bytes: probe.statistics().memory.bytes * entries)
        var hits = 0
        for number in trace.keys {
            if cache.memoryEntry(for: keys[number]) != nil {
                hits += 1
            } else {
                try await cache.bytes.set([1], for: keys[number])
            }
        }
        return Double(hits) / Double(trace.keys.count)
    }

    private static func cache(bytes: Int) async throws -> Cache {
        var configuration = CacheConfiguration()
        configuration.memory.maximumBytes = bytes
        return try await Cache(encryption: .plain, configuration: configuration)
    }

    // MARK: The others

    private static let python = Bench.repository.appending(path: ".build/libcachesim/bin/python")

    /// By entries and policy; empty without libcachesim.
    private static func peerRatios(_ trace: Trace, _ sizes: [Int]) throws -> [Int: [String: Double]] {
        guard FileManager.default.isExecutableFile(atPath: python.path) else { return [:] }
        let process = Process()
        let output = Pipe()
        process.executableURL = python
        process.arguments =
            [Bench.repository.appending(path: "Benchmarks/Peers/hit_ratios.py").path, trace.file.path]
            + sizes.map(String.init)
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        var ratios: [Int: [String: Double]] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t")
            guard fields.count == 3, let entries = Int(fields[1]), let ratio = Double(fields[2]) else { continue }
            ratios[entries, default: [:]][String(fields[0])] = ratio
        }
        return ratios
    }

    // MARK: Printing

    private static func print(_ rows: [Row]) {
        say(line([name, "entries", "ours"] + peers + ["optimum"]))
        for row in rows {
            say(
                line(
                    ["\(row.trace), \(Int(row.share * 100)) % of its keys", "\(row.entries)", percent(row.ours)]
                        + peers.map { row.peers[$0].map(percent) ?? "-" } + [percent(row.optimum)]))
        }
        let means = peers.map { peer in
            let ratios = rows.compactMap { $0.peers[peer] }
            return ratios.count == rows.count ? percent(mean(ratios)) : "-"
        }
        say(line(["mean", "", percent(mean(rows.map(\.ours)))] + means + [percent(mean(rows.map(\.optimum)))]))
    }

    private static func line(_ fields: [String]) -> String {
        fields.enumerated().map { index, field in
            let padding = String(repeating: " ", count: max(0, (index == 0 ? 32 : 11) - field.count))
            return index == 0 ? field + padding : padding + field
        }.joined()
    }

    private static func percent(_ ratio: Double) -> String { String(format: "%.1f", ratio * 100) }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
}
