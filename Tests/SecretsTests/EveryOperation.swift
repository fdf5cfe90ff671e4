import CacheKit
import CacheKitTesting

/// Calls everything that a cache can be asked, and hears what it says of it. Results that are values are not heard.
struct EveryOperation {
    let cache: Cache
    let secrets: PlantedSecrets
    let testimony: Testimony
    /// What is going on, for whoever reads a complaint.
    let name: String

    private struct LoaderError: Error {}

    private func attempt<Result>(_ call: String, _ body: () async throws -> Result) async -> Result? {
        do {
            return try await body()
        } catch {
            testimony.hear("\(call), \(name)", error: error)
            return nil
        }
    }

    /// Does something whose result is a report, and hears that, too.
    private func report<Result>(_ call: String, _ body: () async throws -> Result) async {
        if let result = await attempt(call, body) { testimony.hear("\(call), \(name)", result) }
    }

    func run() async {
        await readAndWrite()
        await loadAnew()
        await misuse()
        await lookBehind()
        await decide()
    }

    private func readAndWrite() async {
        let (key, value, tag) = (secrets.key, secrets.value, secrets.tag)
        let texts = cache.namespace(secrets.namespace, of: String.self)
        _ = await attempt("set") { try await texts.set(value, for: key) }
        _ = await attempt("set with tags") { try await texts.set(value, for: key, tags: [tag]) }
        _ = await attempt("set many") { try await texts.set([key: value, key + "2": value]) }
        _ = await attempt("get") { try await texts.get(key) }
        _ = await attempt("get many") { try await texts.get([key, key + "2", key + "3"]) }
        _ = await attempt("contains") { try await texts.contains(key) }
        _ = await attempt("contains many") { try await texts.contains([key, key + "2"]) }
        _ = await attempt("getOrSet") { try await texts.getOrSet(key + "4") { value } }
        _ = await attempt("a loader that fails") { try await texts.getOrSet(key + "5") { throw LoaderError() } }
        _ = await attempt("getOrSet many") { try await texts.getOrSet([key, key + "6"]) { _ in [key + "6": value] } }
        _ = await attempt("lookup") { try await texts.lookup(key) }
        _ = await attempt("lookupOrSet") { try await texts.lookupOrSet(key + "7") { Loaded(value, tags: [tag]) } }
        _ = await attempt("touch") { try await texts.touch(key) }
        _ = await attempt("withLock") { try await texts.withLock(for: key, wait: .zero) { 1 } }
        let function = cache.function("name", in: secrets.namespace + ".f") { (name: String) in name + value }
        _ = await attempt("a cached function") { try await function(key) }
        _ = await attempt("a cached function") { try await function.invalidate(key) }
        testimony.hear("a cached function, \(name)", function)
        testimony.hear("a call of it, \(name)", function.call(key))
        testimony.hear("a stream of changes, \(name)", texts.changes())
        _ = await attempt("bytes") { try await cache.bytes.set(Array(value.utf8), for: key) }
        _ = await attempt("documents") { try await cache.documents.set(.string(value), for: key) }
        _ = await attempt("documents") { try await cache.documents.get(key) }
        _ = await attempt("delete") { try await texts.delete(key + "2") }
        _ = await attempt("delete many") { try await texts.delete([key + "3", key + "4"]) }
        await report("removeAll tagged") { try await texts.removeAll(tagged: tag) }
        await report("removeAll") { try await texts.removeAll() }
        await report("removeAll in an interop namespace") {
            try await cache.namespace(secrets.namespace + ".i", of: Int.self, mode: .interop).removeAll()
        }
        _ = await attempt("set") { try await texts.set(value, for: key) }
    }

    /// Lives that end, values that are no more, and locks.
    private func loadAnew() async {
        let (key, value) = (secrets.key, secrets.value)
        var loading = LoadingPolicy()
        loading.negativeTTL = .milliseconds(1)
        loading.staleIfError = .seconds(60)
        loading.isSliding = true
        loading.loadElsewhereTimeout = .milliseconds(20)
        for hasLocks in [false, true] {
            loading.isOnePerFile = hasLocks
            loading.isOnePerFleet = hasLocks
            let texts = cache.namespace(secrets.namespace + ".l\(hasLocks)", of: String.self, loading: loading)
            _ = await attempt("set") { try await texts.set([key: value, key + "2": value], ttl: .milliseconds(4)) }
            _ = await attempt("set") { try await texts.set(value, for: key + "3", ttl: .milliseconds(100)) }
            try? await Task.sleep(for: .milliseconds(5))
            _ = await attempt("a stale value") { try await texts.getOrSet(key) { throw LoaderError() } }
            _ = await attempt("a stale value of many") {
                try await texts.getOrSet([key, key + "2"]) { _ in throw LoaderError() }
            }
            testimony.hear("a look-up, \(name)", (try? await texts.lookup(key))??.isStale as Any)
            _ = await attempt("no value") { try await texts.getOrSet(key + "4", loading: { .absent }) }
            _ = await attempt("no values") { try await texts.getOrSet([key + "5", key + "6"]) { _ in [:] } }
            _ = await attempt("a value again") { try await texts.getOrSet(key + "7") { value } }
            _ = await attempt("values again") { try await texts.getOrSet([key + "8"]) { _ in [key + "8": value] } }
            _ = await attempt("a touch") { try await texts.touch(key + "3", ttl: .milliseconds(8)) }
            try? await Task.sleep(for: .milliseconds(5))
            _ = await attempt("a sliding value") { try await texts.get(key + "3") }
        }
    }

    /// What a caller gets wrong, each time with something secret in it.
    private func misuse() async {
        let (key, value) = (secrets.key, secrets.value)
        let numbers = cache.namespace(secrets.namespace, of: Int.self)
        let texts = cache.namespace(secrets.namespace, of: String.self)
        _ = await attempt("another type") { try await numbers.get(key) }
        _ = await attempt("another type") { try await numbers.getOrSet(key) { 1 } }
        _ = await attempt("a long key") { try await texts.set(value, for: String(repeating: key, count: 100)) }
        _ = await attempt("a key with NUL") { try await texts.set(value, for: key + "\0") }
        _ = await attempt("a reserved key") { try await cache.bytes.set([1], for: "ckv:\(key)") }
        _ = await attempt("a large value") { try await texts.set(String(repeating: value, count: 2_000), for: key) }
        _ = await attempt("a life of nothing") { try await texts.set(value, for: key, ttl: .zero) }
        _ = await attempt("a namespace twice") {
            try await cache.namespace(secrets.namespace, of: Int.self, ttl: .seconds(1)).get(key)
        }
        _ = await attempt("a reserved namespace") {
            try await cache.namespace("ckv:\(secrets.namespace)", of: Int.self).get(key)
        }
        _ = await attempt("a long tag") { try await texts.removeAll(tagged: String(repeating: secrets.tag, count: 50)) }
        _ = await attempt("a namespace not declared") { try await cache.removeAll(in: secrets.namespace + "x") }
        let misnamed = cache.function("!" + key, in: secrets.namespace + ".f") { (name: String) in name }
        _ = await attempt("a function of a bad name") { try await misnamed(key) }
        _ = await attempt("a bad lease") { try await texts.withLock(for: key, lease: .zero) { 1 } }
        testimony.hear("a namespace, \(name)", texts)
        testimony.hear("a key, \(name)", (try? texts.key(key)) as Any)
    }

    private func lookBehind() async {
        testimony.hear("the cache, \(name)", cache)
        var statistics = cache.statistics()
        // Which namespaces there are is asked for by name.
        statistics.namespaces = [:]
        testimony.hear("statistics, \(name)", statistics)
        await report("health") { await cache.health() }
        await report("the sync status") { try await cache.syncStatus() as Any }
        await report("a push") { await cache.push(deadline: .milliseconds(300), retrying: false) as Any }
        await report("local statistics") { try await cache.localStatistics() as Any }
        await report("reconcile") { try await cache.reconcile() }
        await report("compareWithRemote") { try await cache.compareWithRemote(opening: 1) }
        await report("compareMarks") { try await cache.compareMarks() }
        await report("prefetch") { try await cache.prefetch(prefix: secrets.namespace) }
        await report("reseal") { try await cache.reseal() }
        await report("surveyRemote") { try await cache.surveyRemote() as Any }
        await report("isPushed") { try await cache.isPushed() }
        await report("localEntries") { try await cache.localEntries(after: .zero, limit: 100).count }
        var selection = ReplaySelection()
        selection.state = .all
        let chosen = selection
        await report("replay") { try await cache.replay(chosen) as Any }
        await report("unfinishedReplays") { try await cache.unfinishedReplays().count }
    }

    private func decide() async {
        for kind in SetAsideChange.Kind.allCases {
            let page = await attempt("a list of what was set aside") {
                try await cache.review.changesSetAside(kind, after: .zero, limit: 100)
            }
            guard let page else { continue }
            for change in page.elements { testimony.hear("what was set aside, \(name)", change) }
            let numbers = page.elements.map(\.sequence)
            await report("requeue") { try await cache.review.requeue(kind, numbers) }
            await report("drop") { try await cache.review.drop(kind, numbers) }
        }
        let conflicts = await attempt("conflicts") { try await cache.review.conflicts(after: .zero, limit: 100) }
        for conflict in conflicts?.elements ?? [] {
            testimony.hear("a conflict, \(name)", conflict)
            _ = await attempt("documents of a conflict") { try await cache.documents(ofConflict: conflict.sequence) }
            await report("a conflict settled") {
                try await cache.settleConflicts([conflict.sequence], keeping: .local(overwritesLocal: false))
            }
        }
        await report("progress") { try await cache.review.sendingProgress() }
    }
}
