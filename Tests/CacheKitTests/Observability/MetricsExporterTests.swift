import CacheKitCore
import CacheKitTesting
import CoreMetrics
import Foundation
import Synchronization
import Testing

@testable import CacheKit

struct MetricsExporterTests {
    @Test func `counters grow by what happened since the last export, gauges say what is`() {
        let metrics = RecordingMetrics()
        var exporter = MetricsExporter()
        var statistics = CacheStatistics()
        statistics.localHits = 3
        statistics.memory.bytes = 100
        exporter.export(statistics, status: nil, factory: metrics)
        statistics.localHits = 10
        statistics.memory.bytes = 50
        exporter.export(statistics, status: nil, factory: metrics)
        exporter.export(statistics, status: nil, factory: metrics)
        #expect(metrics.increments("cachekit_reads", "local", "hit") == [3, 7])
        #expect(metrics.increments("cachekit_reads", "local", "miss").isEmpty)
        #expect(metrics.records("cachekit_memory_bytes") == [100, 50, 50])
        #expect(metrics.records("cachekit_sync_pending_changes").isEmpty)
    }

    @Test func `what a run sends at its end is told`() async throws {
        let world = try await World(.allTiers)
        let metrics = RecordingMetrics()
        world.cache.exporter.withLock { $0.factory = metrics }
        try await world.cache.running {
            try await world.namespace("n", of: Int.self).set(1, for: "k")
        }
        #expect(metrics.increments("cachekit_sync_changes", "applied").reduce(0, +) == 1)
        #expect(metrics.records("cachekit_sync_pending_changes").last == 0)
    }

    @Test func `namespaces have labels of their own, up to a bound`() {
        let metrics = RecordingMetrics()
        var exporter = MetricsExporter()
        var statistics = CacheStatistics()
        for number in 0..<150 { statistics.namespaces["n\(1000 + number)"] = NamespaceStatistics() }
        exporter.export(statistics, status: nil, factory: metrics)
        for name in statistics.namespaces.keys {
            statistics.namespaces[name]?.memoryHits = 2
            statistics.namespaces[name]?.loadTime = .milliseconds(7)
        }
        exporter.export(statistics, status: nil, factory: metrics)
        exporter.export(statistics, status: nil, factory: metrics)
        #expect(metrics.increments("cachekit_namespace_reads", "n1000", "memory") == [2])
        #expect(metrics.increments("cachekit_namespace_load_milliseconds", "n1099") == [7])
        #expect(metrics.increments("cachekit_namespace_reads", "n1100", "memory").isEmpty)
        #expect(metrics.increments("cachekit_namespace_reads", "other", "memory").count == 50)
    }

    @Test func `the breaker, stale values and failures to open are told`() {
        let metrics = RecordingMetrics()
        var exporter = MetricsExporter()
        var statistics = CacheStatistics()
        statistics.staleServed = 3
        statistics.openFailures.authentication = 2
        exporter.export(statistics, status: nil, breaker: .open, factory: metrics)
        #expect(metrics.records("cachekit_breaker") == [2])
        #expect(metrics.increments("cachekit_stale_served") == [3])
        #expect(metrics.increments("cachekit_open_failures", "authentication") == [2])
    }

    @Test func `every name is in the table for operators, and the table names nothing else`() throws {
        let root = URL(filePath: #filePath).appending(path: "../../../..").standardizedFileURL
        let page = try String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)
        let source = try String(
            contentsOf: root.appending(path: "Sources/CacheKit/Observability/MetricsExporter.swift"), encoding: .utf8)
        let named = Set(source.matches(of: /"(cachekit_[a-z_]+)"/).map { String($0.1) })
        let table = Set(page.matches(of: /`(cachekit_[a-z_]+)`/).map { String($0.1) })
        #expect(named == table)
        #expect(named.count > 20)
    }

    @Test func `what is pending is a gauge`() {
        let metrics = RecordingMetrics()
        var exporter = MetricsExporter()
        let status = SyncStatus(
            activity: .pushing, backlog: Backlog(changes: 4, bytes: 90, oldest: nil), watermark: .zero,
            lastSequence: .zero, outcomes: SyncOutcomes(), lastError: nil, consecutiveFailures: 0)
        exporter.export(CacheStatistics(), status: status, factory: metrics)
        #expect(metrics.records("cachekit_sync_pending_changes") == [4])
        #expect(metrics.records("cachekit_sync_pending_bytes") == [90])
    }

    @Test func `what is unverified, and how long ago all was compared, are gauges`() {
        let metrics = RecordingMetrics()
        var exporter = MetricsExporter()
        let now = Timestamp(milliseconds: 90_000)
        for verification in [
            nil, Verification(unverifiedRows: 7),
            Verification(unverifiedRows: 0, lastComparison: Timestamp(milliseconds: 30_000)),
        ] {
            exporter.export(CacheStatistics(), status: nil, verification, now: now, factory: metrics)
        }
        #expect(metrics.records("cachekit_unverified_rows") == [7, 0])
        #expect(metrics.records("cachekit_seconds_since_comparison") == [60])
    }

    @Test func `what the local store holds is a gauge, counted once a minute`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let metrics = RecordingMetrics()
        var (exporter, size) = (MetricsExporter(), LocalSize())
        exporter.export(CacheStatistics(), status: nil, local: size, factory: metrics)
        for number in 0..<3 {
            try await numbers.set(number, for: "k\(number)")
            await size.measure(world.local, world.clock)
            exporter.export(CacheStatistics(), status: nil, local: size, factory: metrics)
            if number == 1 { world.clock.advance(by: .seconds(60)) }
        }
        #expect(metrics.records("cachekit_local_rows") == [1, 1, 3])
        // It lies in memory.
        #expect(metrics.records("cachekit_local_bytes").isEmpty)
    }

    @Test func `a second run does not export the first one's growth again`() async throws {
        let world = try await World(.localOnly)
        try await world.namespace("n", of: Int.self).set(1, for: "k")
        for _ in 0..<2 {
            let run = Task { await world.cache.run() }
            #expect(await eventually { world.clock.sleeperCount == 4 })
            run.cancel()
            await run.value
        }
        let metrics = RecordingMetrics()
        world.cache.exporter.withLock { $0.export(world.cache.statistics(), status: nil, factory: metrics) }
        #expect(metrics.increments("cachekit_writes", "set").isEmpty)
    }

    @Test func `the statistics count each thing once`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        _ = try await numbers.get("k")
        try await numbers.set(1, for: "k")
        _ = try await numbers.get("k")
        try world.forget("n:k")
        _ = try await numbers.get("k")
        try await numbers.delete("k")
        _ = try await numbers.getOrSet("other") { 1 }
        let statistics = world.cache.statistics()
        #expect(statistics.memory.hits == 1)
        #expect(statistics.memory.misses == 3)
        #expect(statistics.localHits == 1)
        #expect(statistics.localMisses == 2)
        #expect(statistics.remoteMisses == 2)
        #expect(statistics.remoteHits == 0)
        #expect(statistics.writes == 2)
        #expect(statistics.deletes == 1)
        #expect(statistics.loads == 1)
        #expect(statistics.memory.entries == 1)
    }
}

/// Keeps what counters and gauges were told.
private final class RecordingMetrics: MetricsFactory {
    private let notes = Notes<(name: String, value: Double)>()

    func increments(_ label: String, _ dimensions: String...) -> [Int] {
        values(([label] + dimensions).joined(separator: " ")).map { Int($0) }
    }

    func records(_ label: String) -> [Double] { values(label) }

    private func values(_ name: String) -> [Double] { notes.all.filter { $0.name == name }.map(\.value) }

    private final class Recording: CounterHandler, RecorderHandler {
        let name: String
        let notes: Notes<(name: String, value: Double)>

        init(name: String, notes: Notes<(name: String, value: Double)>) {
            self.name = name
            self.notes = notes
        }

        func increment(by amount: Int64) { notes.add((name, Double(amount))) }
        func reset() {}
        func record(_ value: Int64) { notes.add((name, Double(value))) }
        func record(_ value: Double) { notes.add((name, value)) }
    }

    private final class Ignoring: TimerHandler {
        func recordNanoseconds(_ duration: Int64) {}
    }

    private func recording(_ label: String, _ dimensions: [(String, String)]) -> Recording {
        Recording(name: ([label] + dimensions.map(\.1)).joined(separator: " "), notes: notes)
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        recording(label, dimensions)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        recording(label, dimensions)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { Ignoring() }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}
