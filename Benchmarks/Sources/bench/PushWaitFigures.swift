import CacheKit
import CacheKitSync
import Foundation

/// How long it takes until Redis shows what was just set, while nothing else goes on. Beside it stands what is allowed.
let timeToVisible = Figure(name: "time from set to visible in Redis, against 10 ms", bar: .atMost(1)) {
    let sides = try await PushSides(.new, keyCount: PushSides.pipeline)
    let node = try await PushNode(sides.server, .init())
    let running = Task { await node.cache.run() }
    var number = 0
    return Contest(
        ours: { count in
            var times: [Duration] = []
            for _ in 0..<count {
                number += 1
                let key = Samples.cacheKey(number)
                let bytes = Array(key.string.utf8)
                let value = Samples.randomBytes(1024, seed: UInt64(number))
                // Whatever the one before has left to do is done.
                try await Task.sleep(for: .milliseconds(20))
                times.append(
                    try await wallTime {
                        try await node.cache.bytes.set(value, for: key)
                        while try !sides.isVisible(bytes) { try await Task.sleep(for: .microseconds(100)) }
                    })
            }
            return times.sorted()[count / 2] * count
        },
        floor: { .milliseconds(10) * $0 },
        operationsPerSlice: 50,
        finish: {
            await node.finish()
            await running.value
            await sides.finish()
        })
}

/// The median `set` of a caller while 100,000 changes are pushed by the engine, against the same while hiredis pushes as many
/// and the engine rests.
let foregroundWrite = Figure(
    name: "foreground set while 100,000 are pushed, against hiredis pushing", bar: .atMost(1.5)
) {
    let sides = try await PushSides(.new)
    var value = Samples.randomBytes(1024, seed: 3)
    var number = 1 << 20
    /// Sets one value after the other for as long as someone else works.
    func medianSet(_ cache: Cache, until isOver: () -> Bool) async throws -> Duration {
        var times: [Duration] = []
        repeat {
            for _ in 0..<50 {
                number += 1
                stamp(&value, number)
                let key = Samples.cacheKey(number)
                times.append(try await wallTime { try await cache.bytes.set(value, for: key) })
            }
        } while !isOver() && times.count < 100_000
        return times.sorted()[times.count / 2]
    }
    return Contest(
        ours: { count in
            let node = try await sides.prepared()
            let pushing = Task { try await node.push() }
            // Not until the push ends: it goes on for as long as there is something to push.
            let median = try await medianSet(node.cache) { sides.keyCountOnServer() >= PushSides.keyCount }
            try await pushing.value
            return median * count
        },
        floor: { count in
            let node = try await sides.prepared()
            let pushing = sides.sendPlainBeside()
            let median = try await medianSet(node.cache) { pushing.isOver }
            guard !pushing.hasFailed else { throw FloorFailure(call: "sendPlain") }
            return median * count
        },
        operationsPerSlice: 1,
        finish: { await sides.finish() })
}
