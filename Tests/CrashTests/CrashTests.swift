import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Logging
import Testing

@Suite(.serialized) struct CrashTests {
    /// A child process that writes, and what it said was acknowledged.
    private struct Child {
        let process = Process()
        let output = Pipe()

        init(path: String, key: String, seed: UInt64, durability: String) throws {
            process.executableURL = try Self.executable()
            process.arguments = [path, key, "\(seed)", durability]
            process.standardOutput = output
            try process.run()
        }

        /// The child lies beside the bundle of the tests.
        private static func executable() throws -> URL {
            var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            for _ in 0..<6 {
                let candidate = folder.appending(path: "CrashChild")
                if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
                folder.deleteLastPathComponent()
            }
            throw CacheError(.invalidConfiguration, "CrashChild was not built; run the tests by 'swift test'")
        }

        /// Waits until the child has opened the file, lets it write for a while, kills it, and gives every line.
        func runAndKill(after milliseconds: UInt64) throws -> [String] {
            var bytes = Data()
            while !bytes.contains(UInt8(ascii: "\n")) {
                let part = output.fileHandleForReading.availableData
                guard !part.isEmpty else { break }
                bytes += part
            }
            let pid = process.processIdentifier
            let killer = Thread {
                usleep(UInt32(milliseconds * 1000))
                kill(pid, SIGKILL)
            }
            killer.start()
            bytes += output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    /// What the parent knows to be acknowledged.
    private struct Acknowledged {
        var generations: [String: (generation: UInt64, sequence: UInt64, isPut: Bool)] = [:]
        var sequences: Set<UInt64> = []
        var settled: UInt64 = 0

        mutating func note(_ lines: [String]) throws {
            for line in lines where line != "open" {
                let words = line.split(separator: " ")
                if words[0] == "settled" {
                    settled = try max(settled, #require(UInt64(words[1])))
                    continue
                }
                let generation = try #require(UInt64(words[2]))
                let sequence = try #require(UInt64(words[3]))
                #expect(sequences.insert(sequence).inserted, "sequence \(sequence) was given twice")
                let key = String(words[1])
                if (generations[key]?.sequence ?? 0) < sequence {
                    generations[key] = (generation, sequence, words[0] == "put")
                }
            }
        }
    }

    private static var rounds: Int {
        ProcessInfo.processInfo.environment["CACHEKIT_CRASH_ROUNDS"].flatMap(Int.init) ?? 50
    }

    @Test(arguments: ["full", "relaxed"])
    func `a process that is killed while it writes loses nothing that was acknowledged`(durability: String) async throws
    {
        var random = UInt64.random(in: 1 ... .max)
        print("crash seed \(random), \(durability)")
        let folder = FileManager.default.temporaryDirectory.path + "/cachekit-crash-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/cache.db"
        let key = String(repeating: "5a", count: 32)
        var acknowledged = Acknowledged()
        for round in 0..<(Self.rounds + 1) / 2 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let child = try Child(path: path, key: key, seed: random, durability: durability)
            let lines = try child.runAndKill(after: 5 + random >> 33 % 120)
            #expect(lines.first == "open", "round \(round)")
            try acknowledged.note(lines)
            try await check(acknowledged, path: path, key: key, round: round)
        }
        // A child that is killed before it writes anything proves nothing.
        #expect(acknowledged.sequences.count > 2 * Self.rounds)
    }

    private func check(_ acknowledged: Acknowledged, path: String, key: String, round: Int) async throws {
        let context = LocalStoreContext(
            keyring: try Keyring(current: MasterKey(hex: key)), tenant: "default", hasRemote: true,
            clock: SystemClock(),
            logger: Logger(label: "crash"))
        let store = try await SQLiteStore.open(SQLiteConfiguration(path: path), context)
        for (name, last) in acknowledged.generations {
            let entry = try #require(try await store.read([CacheKey(name)])[0], "round \(round)")
            #expect(entry.sequence.number >= last.sequence, "round \(round)")
            guard entry.sequence.number == last.sequence else { continue }
            #expect(entry.isTombstone == !last.isPut)
            if let value = entry.value { #expect(value.starts(with: Array("\(last.generation) ".utf8))) }
        }
        let feed = try await store.changes(after: .zero, origin: nil, limit: .max, byteLimit: .max)
        let numbers = feed.map(\.entry.sequence.number)
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "round \(round)")
        #expect(try await store.watermark().number >= acknowledged.settled)
        #expect(try await store.verify().isClean, "round \(round)")
        await store.close()
    }
}
