import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Logging

// Writes until its parent kills it. Arguments: path, hex of the master key, seed, durability. Prints one line for each
// acknowledged change, after the acknowledgement: `put|delete <key> <generation> <sequence>`, `settled <sequence>`.

let arguments = CommandLine.arguments
guard arguments.count == 5, let seed = UInt64(arguments[3]) else {
    FileHandle.standardError.write(Data("usage: CrashChild path key seed full|relaxed\n".utf8))
    exit(2)
}

/// One write(2) per line: a pipe takes up to 4 KiB whole, so a kill never leaves half a line.
@Sendable func report(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

var configuration = SQLiteConfiguration(path: arguments[1])
configuration.durability = arguments[4] == "full" ? .full : .relaxed
configuration.sizeLimit = 1 << 20
let context = LocalStoreContext(
    keyring: try Keyring(current: MasterKey(hex: arguments[2])), tenant: "default", hasRemote: true,
    clock: SystemClock(),
    logger: Logger(label: "crash"))
let store = try await SQLiteStore.open(configuration, context)
let last = try await store.lastSequence().number
report("open")

try await withThrowingTaskGroup(of: Void.self) { group in
    for writer in 0..<6 {
        group.addTask {
            // Each writer has keys of its own, so that the order of its lines is the order of its changes.
            var generation = last
            var random = seed &+ UInt64(writer) &* 0x9E37_79B9_7F4A_7C15
            while true {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                generation += 1
                let key = "writer\(writer):\(random >> 33 % 40)"
                let isPut = random >> 40 % 5 != 0
                let value =
                    Array("\(generation) ".utf8)
                    + [UInt8](repeating: UInt8(random >> 56), count: Int(random >> 50 % 1500))
                let expiresAt = SystemClock().now().advanced(by: .seconds(3600))
                let change = LocalChange(
                    key: try CacheKey(key), value: isPut ? value : nil, form: .plain, mode: .native,
                    expiresAt: expiresAt)
                let sequence = try await store.commit([change])[0].number
                report("\(isPut ? "put" : "delete") \(key) \(generation) \(sequence)")
            }
        }
    }
    group.addTask {
        while true {
            let watermark = try await store.watermark()
            let feed = try await store.changes(after: watermark, origin: .local, limit: 10, byteLimit: 1 << 20)
            if feed.count == 10, let through = feed.last?.entry.sequence {
                try await store.settle(through: through, deadLetters: [])
                report("settled \(through.number)")
            }
            _ = try await store.maintain()
            try await Task.sleep(for: .milliseconds(3))
        }
    }
    try await group.waitForAll()
}
