import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting

/// What using a file that may be damaged gave, step by step.
struct DamageObservation {
    typealias Outcome<Value> = Result<Value, CacheError>

    /// What damage may be called. Anything else, `internalFault` above all, is a fault of ours.
    static let codes: Swift.Set<CacheError.Code> = [
        .damagedStore, .tamperedStore, .notADatabase, .newerFormat, .authenticationFailed,
    ]

    var open: Outcome<Void> = .success(())
    var reads: [String: Outcome<Held>] = [:]
    var feed: [DamageState.Element] = []
    var feedEnd: Outcome<Void> = .success(())
    var statistics: Outcome<LocalStoreStatistics>?
    var verify: Outcome<VerifyReport>?
    var write: Outcome<Held>?
    var others: [Outcome<Void>] = []
    var maintenanceSteps = 0

    static let written: [UInt8] = [9, 9, 9]

    static func attempt<Value>(_ body: () async throws(CacheError) -> Value) async -> Outcome<Value> {
        do throws(CacheError) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }

    /// Opens the file, uses it in every way, and closes it.
    init(_ image: DamageImage, _ path: String) async {
        let opened = await Self.attempt { () async throws(CacheError) in
            try await SQLiteStore.open(DamageImage.configuration(path), DamageImage.context(image.keyring))
        }
        guard case .success(let store) = opened else {
            open = opened.map { _ in () }
            return
        }
        for key in DamageImage.keys { reads[key] = await Self.read(store, key, image.cipher) }
        await walkFeed(store, image.cipher)
        statistics = await Self.attempt { () async throws(CacheError) in try await store.statistics() }
        verify = await Self.attempt { () async throws(CacheError) in try await store.verify() }
        others.append(
            await Self.attempt { () async throws(CacheError) in
                _ = try await store.backlog()
                _ = try await store.watermark()
                _ = try await store.lastSequence()
            })
        await maintain(store)
        write = await Self.attempt { () async throws(CacheError) in
            try await store.commit([
                LocalChange(
                    key: CacheKey("users:1"), value: Self.written, form: .plain, mode: .native,
                    expiresAt: ManualClock().now().advanced(by: .seconds(600)))
            ])
            return .absent
        }
        if case .success? = write { write = await Self.read(store, "users:1", image.cipher) }
        others.append(
            await Self.attempt { () async throws(CacheError) in
                try await store.settle(Settlement(through: ChangeSequence(6)))
            })
        await store.close()
    }

    private static func read(_ store: SQLiteStore, _ name: String, _ cipher: TenantCipher) async -> Outcome<Held> {
        await attempt { () async throws(CacheError) in
            let key = try CacheKey(name)
            return try Held(await store.read([key])[0], key, cipher)
        }
    }

    private mutating func walkFeed(_ store: SQLiteStore, _ cipher: TenantCipher) async {
        var position = ChangeSequence.zero
        for _ in 0..<100 {
            let page = await Self.attempt { () async throws(CacheError) in
                try await store.changes(after: position, origin: nil, limit: 3, byteLimit: 1 << 20)
            }
            switch page {
            case .failure(let error):
                feedEnd = .failure(error)
                return
            case .success(let changes):
                guard let last = changes.last else { return }
                position = last.entry.sequence
                for change in changes {
                    // What is pushed is opened by its readers: it must be what was written.
                    guard let held = try? Held(change.entry, change.key, cipher) else {
                        feedEnd = .failure(CacheError(.internalFault, "the feed gives what does not open"))
                        return
                    }
                    feed.append(
                        .init(sequence: change.entry.sequence.number, key: change.key.string, held: held))
                }
            }
        }
        feedEnd = .failure(CacheError(.internalFault, "the feed has no end"))
    }

    private mutating func maintain(_ store: SQLiteStore) async {
        for _ in 0..<200 {
            maintenanceSteps += 1
            let step = await Self.attempt { () async throws(CacheError) in try await store.maintain() }
            guard case .success(true) = step else {
                others.append(step.map { _ in () })
                return
            }
        }
        others.append(.failure(CacheError(.internalFault, "maintenance has no end")))
    }

    // MARK: Judging

    /// Whether a full check found nothing: then everything must be exactly right.
    var isClean: Bool {
        if case .success(let report)? = verify { return report.isClean }
        return false
    }

    /// What is wrong, compared with what the file held; empty if every outcome is right or a typed error.
    func violations(_ state: DamageState) -> [String] {
        var violations: [String] = []
        func typed<Value>(_ outcome: Outcome<Value>?, _ what: String) -> Value? {
            switch outcome {
            case .none: return nil
            case .success(let value): return value
            case .failure(let error):
                // SQLite takes some damaged pages for a full file.
                let isWriteToDamage = what == "write" && error.code == .diskFull && !isClean
                if !Self.codes.contains(error.code), !isWriteToDamage {
                    violations.append("\(what): \(error.debugDescription)")
                }
                if isClean { violations.append("\(what) failed, and verify says clean: \(error.debugDescription)") }
                return nil
            }
        }
        _ = typed(open, "open")
        for (key, outcome) in reads {
            guard let held = typed(outcome, "read"), held != state.held[key] else { continue }
            if isClean || held != .absent { violations.append("\(key) reads as \(held)") }
        }
        _ = typed(feedEnd, "feed")
        if !feed.allSatisfy({ state.feed.contains($0) })
            || zip(feed, feed.dropFirst()).contains(where: { $0.sequence >= $1.sequence })
            || (isClean && feed != state.feed)
        {
            violations.append("the feed gives \(feed.map { ($0.sequence, $0.key) })")
        }
        if let statistics = typed(statistics, "statistics"), isClean, statistics.deadLetters != state.deadLetters {
            violations.append("\(statistics.deadLetters) dead letters")
        }
        _ = typed(verify, "verify")
        if let held = typed(write, "write"), held != .value(Self.written) { violations.append("written: \(held)") }
        for other in others { _ = typed(other, "other") }
        return violations
    }
}
