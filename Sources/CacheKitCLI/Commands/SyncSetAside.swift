import ArgumentParser
import CacheKit
import CacheKitCore

/// What the commands about dead letters and about parked changes share.
struct SetAsideList {
    let kind: SetAsideChange.Kind

    func list(in cache: Cache) throws(CacheError) -> ReviewedList<SetAsideChange> {
        let store = try cache.review
        let kind = kind
        return ReviewedList(
            page: { after, limit throws(CacheError) in try await store.changesSetAside(kind, after: after, limit: limit)
            },
            sequence: { $0.sequence }, key: { $0.key })
    }

    /// Prints the list, one line each.
    func print(_ listing: ListingOptions) async throws {
        try await withCache(try await listing.open()) { cache in
            var left = listing.limit ?? .max
            let unreadable = try await list(in: cache).forEach(namespace: listing.namespace) { changes in
                for change in changes.prefix(left) { write(change, json: listing.report.json) }
                left -= min(left, changes.count)
                return left > 0
            }
            try listing.tell(unreadable)
        }
    }

    private func write(_ change: SetAsideChange, json: Bool) {
        var message: String?
        if case .refused(_, let text) = change.reason { message = text }
        guard json else {
            let reason = change.reason.name + (message.map { ": \($0)" } ?? "")
            let row = change.row?.text ?? "written over since"
            StandardOutput.write(
                "\(change.sequence.number)  \(change.key.string)  \(row)  \(SyncReport.ago(change.setAsideAt))  \(reason)"
            )
            return
        }
        var fields: [(String, MessagePackValue)] = [
            ("id", .integer(change.sequence.number)), ("namespace", SyncReport.namespace(change.key)),
            ("key", .string(change.key.string)), ("reason", .string(change.reason.name)),
        ]
        if kind == .deadLetter { fields.append(("message", .string(message ?? ""))) }
        fields.append(("set_aside_at", SyncReport.time(change.setAsideAt)))
        fields.append(("row", change.row.map { SyncReport.map($0.fields) } ?? .nil))
        SyncReport.line(fields)
    }

    /// Makes changes pending again, and with Redis given tries once to send them.
    func requeue(_ decision: String, _ selection: SelectionOptions, _ store: StoreOptions, json: Bool) async throws {
        let cache = try await store.openForWriting(requiringDatabase: true)
        let kind = kind
        let status = try await withCache(cache) { cache -> ExitStatus? in
            let store = try cache.review
            let tally = try await list(in: cache).decide(selection, confirm: { _ in }) { ids throws(CacheError) in
                try await store.requeue(kind, ids)
            }
            let status = tally.done > 0 ? await pushAfterWriting(cache) : nil
            try await report(tally, decision, cache, json)
            return status
        }
        if let status { throw status }
    }

    /// Gives changes up, after asking.
    func drop(
        _ selection: SelectionOptions, _ confirmation: Confirmation, _ store: StoreOptions, json: Bool
    ) async throws {
        let kind = kind
        let cache = try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)
        try await withCache(cache) { cache in
            let store = try cache.review
            let name = kind == .deadLetter ? "dead letters" : "parked changes"
            let tally = try await list(in: cache).decide(
                selection, confirm: { try confirmation.require("give up \($0) \(name), which are never sent then") }
            ) { ids throws(CacheError) in
                try await store.drop(kind, ids)
            }
            try await report(tally, "drop", cache, json)
        }
    }

    private func report(_ tally: ReviewTally, _ decision: String, _ cache: Cache, _ json: Bool) async throws {
        let statistics = try await cache.localStatistics()
        try tally.report(
            decision, left: (kind == .deadLetter ? statistics?.deadLetters : statistics?.parked) ?? 0,
            pending: statistics?.backlog.changes ?? 0, spares: false, json: json)
    }
}

/// What `list` commands have.
struct ListingOptions: ParsableArguments {
    @Option(name: .long, help: "Only keys that are NAMESPACE:KEY.") var namespace: String?
    @Option(name: .long, help: "At most so many.") var limit: Int?
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    }

    func open() async throws(CacheError) -> Cache {
        try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)
    }

    /// Ends with 9 where records could not be shown.
    func tell(_ unreadable: Int) throws {
        guard unreadable > 0 else { return }
        StandardError.write("cachekit: \(unreadable) records do not authenticate; see: cachekit doctor")
        throw ExitStatus.damagedStore
    }
}
