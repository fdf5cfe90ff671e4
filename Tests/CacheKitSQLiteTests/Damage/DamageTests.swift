import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// Damage of every byte and at every length, met by the right value or a typed error.
///
/// The measure: what `verify` calls clean is exactly right; of anything else, each value is right, missing or an error. The
/// short form damages every so many bytes from a seeded start, the long one all of them.
@Suite(.timeLimit(.minutes(30))) struct DamageTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = try DamageImage.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder + "/cache.db")
    }

    private func damaged(_ data: Data, _ offset: Int, _ random: inout SeededRandom) -> Data {
        var data = data
        data[offset] ^= UInt8.random(in: 1...255, using: &random)
        return data
    }

    @Test func `a flipped byte in the database is never a wrong value`() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        let image = try await DamageImage.make(withLog: false)
        let step = max(1, image.database.count / TestEffort.count(short: 500, long: image.database.count))
        var clean = 0
        var refused = 0
        try await withFolder { path in
            for offset in stride(from: Int.random(in: 0..<step, using: &random), to: image.database.count, by: step) {
                try image.write(path, database: damaged(image.database, offset, &random))
                let observation = await DamageObservation(image, path)
                let violations = observation.violations(image.whole)
                #expect(violations.isEmpty, "seed \(seed), byte \(offset)")
                if observation.isClean { clean += 1 }
                if case .failure = observation.open { refused += 1 }
            }
        }
        // Most bytes are unused or in use by nobody who asks; that a good part is refused shows that damage is done.
        #expect(clean > 0 && refused > 0, "clean \(clean), refused \(refused)")
    }

    @Test func `a row that goes astray on a page whose cells are out of order is not acknowledged`() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        let image = try await DamageImage.make(withLog: false)
        // Pages of rows (https://www.sqlite.org/fileformat2.html, 1.6), and the place of the first row on each.
        let leaves = stride(from: 512, to: image.database.count, by: 512).filter { image.database[$0] == 13 }
        try #require(!leaves.isEmpty)
        try await withFolder { path in
            for page in leaves {
                for _ in 0..<TestEffort.count(short: 16, long: 255) {
                    let database = damaged(image.database, page + 9, &random)
                    try image.write(path, database: database)
                    let violations = await DamageObservation(image, path).violations(image.whole)
                    #expect(violations.isEmpty, "seed \(seed), page at \(page), \(database[page + 9])")
                }
            }
        }
    }

    @Test func `a flipped byte in the log is damage, or costs the last commit only`() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        let image = try await DamageImage.make(withLog: true)
        let step = max(1, image.log.count / TestEffort.count(short: 200, long: image.log.count))
        var lost = 0
        var refused = 0
        try await withFolder { path in
            for offset in stride(from: Int.random(in: 0..<step, using: &random), to: image.log.count, by: step) {
                let log = damaged(image.log, offset, &random)
                try image.write(path, log: log)
                let observation = await DamageObservation(image, path)
                guard case .success = observation.open else {
                    refused += 1
                    #expect(observation.violations(image.whole).isEmpty, "seed \(seed), byte \(offset)")
                    // What can't be read stays, for whoever can make use of it.
                    #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == log)
                    continue
                }
                // A log that ends one commit early is what a power cut during that commit leaves.
                let violations = image.states.suffix(2).map { observation.violations($0) }
                #expect(violations.contains { $0.isEmpty }, "seed \(seed), byte \(offset): \(violations)")
                if violations[1] != [] { lost += 1 }
            }
        }
        #expect(refused > 0 && lost > 0, "refused \(refused), lost \(lost)")
    }

    @Test func `a flipped salt of a commit, which only SQLite's own check of the log would notice, is damage`()
        async throws
    {
        let image = try await DamageImage.make(withLog: true)
        let frame = 24 + 512
        var refused = 0
        try await withFolder { path in
            for start in stride(from: 32, to: image.log.count, by: frame) {
                for byte in 8..<16 {
                    var log = image.log
                    log[start + byte] ^= 0x10
                    try image.write(path, log: log)
                    let observation = await DamageObservation(image, path)
                    guard case .success = observation.open else {
                        refused += 1
                        continue
                    }
                    #expect(
                        image.states.suffix(2).contains { observation.violations($0).isEmpty }, "frame at \(start)")
                }
            }
        }
        #expect(refused > 0)
    }

    @Test func `a file cut short is refused, at each page and between`() async throws {
        let image = try await DamageImage.make(withLog: false)
        let every = TestEffort.isLong ? 1 : 37
        var lengths = Swift.Set(stride(from: 512, to: image.database.count, by: 512))
        lengths.formUnion(stride(from: 1, to: image.database.count, by: every))
        try await withFolder { path in
            for length in lengths.sorted() {
                let cut = image.database.prefix(length)
                try image.write(path, database: cut)
                let observation = await DamageObservation(image, path)
                guard case .failure(let error) = observation.open else {
                    Issue.record("a file of \(length) bytes opened")
                    continue
                }
                #expect(error.code == .damagedStore, "\(length) bytes: \(error)")
                #expect(try Data(contentsOf: URL(filePath: path)) == cut)
            }
        }
    }

    @Test func `a file that was emptied is not taken for a new one once it was opened with a remote`() async throws {
        let image = try await DamageImage.make(withLog: false)
        try await withFolder { path in
            try image.write(path)
            await (try image.open(path)).close()
            try Data().write(to: URL(filePath: path))
            #expect(await code { _ = try await image.open(path) } == .damagedStore)
            #expect(try Data(contentsOf: URL(filePath: path)).isEmpty)
        }
    }

    @Test func `a database cut short under its log is never a wrong value`() async throws {
        let image = try await DamageImage.make(withLog: true)
        var clean = 0
        try await withFolder { path in
            for length in stride(from: 0, to: image.database.count, by: TestEffort.isLong ? 128 : 512) {
                try image.write(path, database: image.database.prefix(length))
                let observation = await DamageObservation(image, path)
                let violations = observation.violations(image.whole)
                #expect(violations.isEmpty, "\(length) bytes")
                if observation.isClean { clean += 1 }
            }
            // What was cut off may stand in the log as a whole.
            #expect(clean <= 4, "\(clean) lengths pass for whole files")
        }
    }

    @Test func `a log cut short gives an earlier commit, whole`() async throws {
        let image = try await DamageImage.make(withLog: true)
        let every = TestEffort.isLong ? 1 : 211
        try await withFolder { path in
            for length in stride(from: 0, to: image.log.count, by: every) {
                try image.write(path, log: image.log.prefix(length))
                let observation = await DamageObservation(image, path)
                let violations = image.states.map { observation.violations($0) }
                #expect(violations.contains { $0.isEmpty }, "\(length) bytes: \(violations)")
                #expect(observation.isClean, "\(length) bytes")
            }
        }
    }
}
