/// The way back: 100,000 rows of 1 KiB that the remote still holds as they are here. Over a unix socket.
let verifyFigures = [
    figure("verify of 100,000 unchanged keys, against 200,000 pipelined GETs", .atMost(1)) { sides in
        try await sides.storeSmall()
        return Contest(
            ours: { _ in try await wallTime { try await sides.compare() } },
            floor: { _ in try await wallTime { try sides.readSmall(2 * VerifySides.keyCount, pipeline: 500) } },
            operationsPerSlice: VerifySides.keyCount)
    },
    figure("CPU time of verifying 100,000 unchanged keys, against hiredis' of the same", nil) { sides in
        try await sides.storeSmall()
        return Contest(
            ours: { _ in try await processorTime { try await sides.compare() } },
            floor: { _ in try await processorTime { try sides.readSmall(2 * VerifySides.keyCount, pipeline: 500) } },
            operationsPerSlice: VerifySides.keyCount)
    },
    figure("read of an unverified key, against a hiredis round trip", .atMost(1.3)) { sides in
        try await sides.storeSmall()
        return Contest(
            ours: medianTimed { _ in try await sides.readUnverified() },
            floor: medianTimed { _ in try sides.readSmall(1, pipeline: 1) })
    },
    figure("read of an unverified key, against our store's read of one key", nil) { sides in
        try await sides.storeSmall()
        return Contest(
            ours: medianTimed { _ in try await sides.readUnverified() },
            floor: medianTimed { _ in try await sides.readSmallByStore() })
    },
    figure("reconcile of 100,000 unchanged keys, against SCAN COUNT 1000", .atMost(4)) { sides in
        Contest(
            ours: { _ in try await wallTime { try await sides.reconcile() } },
            floor: { _ in try await wallTime { try sides.scan() } }, operationsPerSlice: VerifySides.keyCount)
    },
    figure("CPU time of reconciling 100,000 unchanged keys, against hiredis' of SCAN", nil) { sides in
        Contest(
            ours: { _ in try await processorTime { try await sides.reconcile() } },
            floor: { _ in try await processorTime { try sides.scan() } }, operationsPerSlice: VerifySides.keyCount)
    },
    figure("growth of memory while reconciling 100,000 keys, against 32 MiB", .atMost(1), .mebibytes) { sides in
        Contest(
            ours: { count in .nanoseconds(try await residentGrowth { try await sides.reconcile() }) * count },
            floor: { .nanoseconds(32 << 20) * $0 }, operationsPerSlice: 1)
    },
]

private func figure(
    _ name: String, _ bar: Figure.Bar?, _ unit: Figure.Unit = .nanoseconds,
    _ make: @escaping @Sendable (VerifySides) async throws -> Contest
) -> Figure {
    Figure(name: name, unit: unit, bar: bar) {
        let sides = try await VerifySides()
        var contest = try await make(sides)
        contest.finish = { await sides.finish() }
        return contest
    }
}
