import CacheKitTesting
import Foundation

/// Redis' own load generator: one connection, pipelines of 16, one key of 1 KiB.
struct RedisBenchmark {
    private let program: URL
    private let address: [String]

    /// Stores the value that the generator reads.
    init(_ server: RedisServer, _ transport: RedisSides.Transport) throws {
        let found = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map { $0 + "/redis-benchmark" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let found else { throw Contest.Unavailable(reason: "redis-benchmark is not installed") }
        program = URL(filePath: found)
        address = transport == .unix ? ["-s", server.socketPath] : ["-p", String(server.port)]
        _ = try rate("set", 1)
    }

    /// How long it took for so many `GET`, by its own clock.
    func side() -> Contest.Side {
        { count in .seconds(Double(count) / (try rate("get", count))) }
    }

    /// Requests a second; `--csv` gives a line of names and one of numbers, of which the second is the rate.
    private func rate(_ test: String, _ count: Int) throws -> Double {
        let process = Process()
        let output = Pipe()
        process.executableURL = program
        process.arguments =
            address + [
                "-t", test, "-d", String(RedisSides.valueCount), "-n", String(count), "-P", "16", "-c", "1", "--csv",
            ]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let fields = text.split(separator: "\n").last?.split(separator: ",").map { $0.filter { $0 != "\"" } } ?? []
        guard fields.count > 1, let rate = Double(fields[1]) else { throw FloorFailure(call: "redis-benchmark") }
        return rate
    }
}
