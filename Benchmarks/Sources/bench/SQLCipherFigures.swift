import CacheKit
import CacheKitCore
import CacheKitSQLite

/// The same work encrypted by SQLCipher: a table with the key's text as its unique key, raw key, pages of 4 KiB, WAL,
/// `synchronous=FULL`, kept statements. Ours seals or opens the value too.
let sqlCipherFigures = [read, writes(writers: 1), writes(writers: 64), together]

private let read = Figure(
    name: "SQLite point read, 100,000 rows, against SQLCipher", unit: .perSecond, bar: .atLeast(1.5)
) {
    let sides = try await FilledSides.shared.sides(rowCount: 100_000)
    let peer = try await SQLCipherPeer(rowCount: 100_000)
    return Contest(ours: sides.ours(seed: 31), floor: { try peer.run(.read, $0) }, finish: peer.finish)
}

/// Single durable writes, by so many tasks; SQLCipher has one thread that commits each. Alone, no log is moved within the
/// time; with several writers the moving counts on both sides.
private func writes(writers: Int) -> Figure {
    let name = writers == 1 ? "1 durable write alone" : "\(writers) writers"
    return Figure(name: "SQLite tier, \(name), against SQLCipher", unit: .perSecond, bar: .atLeast(1.5)) {
        let sides = try await WriteSides(keyCount: 20_000)
        let peer = try await SQLCipherPeer(rowCount: 20_000)
        let cipher = try Samples.cipher()
        var first = 1 << 30
        let work: (Int) async throws -> Void = { count in
            first += count
            let first = first
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        var draw = Draw(20_000, seed: first + writer)
                        for step in 0..<count / writers {
                            let stamped = first + step * writers + writer
                            try await sides.seal(CollectionOfOne(draw.next()), cipher, stampedFrom: stamped)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        return Contest(
            ours: writers == 1 ? sides.timed(work) : sides.timed(withLog: sides.storeLog, work),
            floor: { count in
                _ = try peer.run(.moveLog, 1)
                let duration = try peer.run(.write, count)
                return writers == 1 ? duration : duration + (try peer.run(.moveLog, 1))
            },
            operationsPerSlice: writers == 1 ? 200 : 80 * writers,
            finish: {
                peer.finish()
                await sides.finish()
            })
    }
}

private let together = Figure(
    name: "SQLite tier, 1,000 rows in one call, against SQLCipher", unit: .perSecond, bar: .atLeast(1.5)
) {
    let sides = try await WriteSides(keyCount: 20_000)
    let peer = try await SQLCipherPeer(rowCount: 20_000)
    let cipher = try Samples.cipher()
    var draw = Draw(20_000, seed: 33)
    var number = 1 << 30
    return Contest(
        ours: sides.timed { count in
            number += count
            try await sides.seal(draw.next(count), cipher, stampedFrom: number)
        },
        floor: { count in
            _ = try peer.run(.moveLog, 1)
            return try peer.run(.writeTogether, count)
        },
        operationsPerSlice: 1_000,
        finish: {
            peer.finish()
            await sides.finish()
        })
}

extension WriteSides {
    /// Seals values and commits them in one call.
    fileprivate func seal(
        _ numbers: some Sequence<Int>, _ cipher: TenantCipher, stampedFrom first: Int
    ) async throws {
        try await store.commit(
            numbers.enumerated().map { offset, number in
                var change = change(number, stamped: first + offset)
                let document = change.value ?? []
                change.value = try cipher.seal(document, key: change.key, compressed: true)
                change.form = .sealed(cipher.currentFingerprint)
                return change
            })
    }
}
