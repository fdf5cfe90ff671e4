import CacheKitSync

/// Write-behind: 100,000 changes of 1 KiB from the file to Redis, against hiredis that sends plain `SET ... PX` of values as
/// long in pipelines of 500. Both over a unix socket.
let pushFigures = [
    push("new keys", .new, sync { _ in }, .atLeast(0.5)),
    push("updates", .updates, sync { _ in }, .atLeast(0.5)),
    push("updates that are late", .updates, sync { $0.lateAfter = .zero }, nil),
    push("one writer", .new, sync { $0.policy.isSingleWriter = true }, .atLeast(0.8)),
    processorFigure("new keys", .new, sync { _ in }),
    processorFigure("one writer", .new, sync { $0.policy.isSingleWriter = true }),
    timeToVisible,
    foregroundWrite,
]

/// Where nothing else is said, no change is late: filling the file takes longer than a change may.
private func sync(_ adjust: (inout SyncConfiguration) -> Void) -> SyncConfiguration {
    var configuration = SyncConfiguration()
    configuration.lateAfter = .seconds(3600)
    adjust(&configuration)
    return configuration
}

private func push(
    _ name: String, _ kind: PushSides.Kind, _ configuration: SyncConfiguration, _ bar: Figure.Bar?
) -> Figure {
    Figure(name: "push of 100,000 \(name), against hiredis", unit: .perSecond, bar: bar) {
        let sides = try await PushSides(kind, configuration)
        return Contest(
            ours: sides.ours(wallTime), floor: sides.floor(wallTime), operationsPerSlice: PushSides.keyCount,
            finish: { await sides.finish() })
    }
}

private func processorFigure(_ name: String, _ kind: PushSides.Kind, _ configuration: SyncConfiguration) -> Figure {
    Figure(name: "CPU time of pushing 100,000 \(name), against hiredis", bar: .atMost(3)) {
        let sides = try await PushSides(kind, configuration)
        return Contest(
            ours: sides.ours(processorTime), floor: sides.floor(processorTime),
            operationsPerSlice: PushSides.keyCount, finish: { await sides.finish() })
    }
}
