public import CacheKitCore

/// A typed handle for the keys of a namespace, or for physical keys.
///
/// Cheap to copy and to keep. `key` is the part after the namespace: `namespace("users").get("42")` reads `users:42`. A
/// ``CacheKey`` is physical and used as it is, for keys of an ``InteropOperation`` and the like.
public struct Namespace<Value: Sendable>: Sendable {
    let cache: Cache
    /// The prefix without its colon; `nil` for physical keys.
    public let name: String?
    let codec: ValueCodec<Value>
    /// What was declared of these keys; `nil` for physical ones of any namespace.
    let state: NamespaceState?
    /// Where is counted what this handle does: of the namespace, or of all handles for physical keys together.
    let counters: NamespaceCounters
    private let problem: CacheError?

    /// Of physical keys.
    ///
    /// - Parameter state: Of the namespace that they are in, where it is known.
    init(cache: Cache, codec: ValueCodec<Value>, in state: NamespaceState? = nil) {
        self.cache = cache
        self.name = nil
        self.codec = codec
        self.state = state
        self.counters = (state ?? cache.registry.fallback).counters
        self.problem = nil
    }

    init(cache: Cache, name: String, policy: NamespacePolicy, codec: ValueCodec<Value>) {
        self.cache = cache
        self.name = name
        self.codec = codec
        do {
            try policy.loading.checkLocks(cache.local, cache.remote)
            let state = try cache.registry.declare(name, policy)
            self.state = state
            counters = state.counters
            problem = nil
        } catch {
            state = nil
            counters = cache.registry.fallback.counters
            problem = error
        }
    }

    /// The physical key of a key of this namespace.
    ///
    /// - Throws: ``CacheError/Code/invalidKey``, or ``CacheError/Code/invalidConfiguration`` for a namespace that was not
    ///   declared well.
    public func key(_ key: String) throws(CacheError) -> CacheKey {
        try requireDeclared()
        guard let name else { return try CacheKey(key) }
        return try CacheKey(namespace: name, key: key)
    }

    /// Throws what was wrong with the declaration.
    func requireDeclared() throws(CacheError) {
        if let problem { throw problem }
    }

    // MARK: Reading

    /// The value of a key, or `nil` if no tier has a live one.
    ///
    /// A remote that is away is a counted miss.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed`` for bytes that do not authenticate, ``CacheError/Code/decoding``
    ///   for bytes that do not fit the type, ``CacheError/Code/remoteAuthentication`` when the remote refuses this client.
    public func get(_ key: String) async throws(CacheError) -> Value? {
        try await get(self.key(key))
    }

    /// The value of a physical key; see ``get(_:)-(String)``.
    public func get(_ key: CacheKey) async throws(CacheError) -> Value? {
        try requireDeclared()
        let hash = Hash128(key)
        // Asked here and not in `entryBelowMemory`: a second asynchronous call costs as much as the look-up.
        if let entry = cache.memory.entry(hash, now: cache.clock.now()) {
            if !entry.isNegative {
                let (document, attributes) = try cache.opened(entry, key)
                if cache.isKnownToStand(attributes, removals(for: key, entry)) {
                    counters.read(hash, from: .memory)
                    cache.slide(entry, attributes, key)
                    return try decode(document)
                }
            }
            if let found = try await standing(entry, key) {
                counters.read(hash, from: .memory)
                return found.value
            }
        }
        // The second time for what the remote has in place of a row that was removed.
        for _ in 0..<(cache.local != nil && cache.remote != nil ? 2 : 1) {
            guard let (entry, source) = try await cache.entryBelowMemory(key, hash) else { break }
            guard let found = try await standing(entry, key) else { continue }
            counters.read(hash, from: source)
            return found.value
        }
        counters.read(hash, from: nil)
        return nil
    }

    /// The values of many keys, at most one round trip per tier; keys without a live value are left out.
    public func get(_ keys: [String]) async throws(CacheError) -> [String: Value] {
        try requireDeclared()
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        var values: [String: Value] = [:]
        var removed: [Int] = []
        for (index, located) in try await cache.entries(for: physical).enumerated() {
            guard let located, let found = try await standing(located.entry, physical[index]) else {
                if located == nil { counters.read(Hash128(physical[index]), from: nil) } else { removed.append(index) }
                continue
            }
            counters.read(Hash128(physical[index]), from: located.source)
            values[keys[index]] = found.value
        }
        guard !removed.isEmpty else { return values }
        // What memory held was removed; a lower tier may have something newer.
        for (index, located) in zip(removed, try await cache.entries(for: removed.map { physical[$0] })) {
            var found: Standing?
            if let located { found = try await standing(located.entry, physical[index]) }
            counters.read(Hash128(physical[index]), from: found == nil ? nil : located?.source)
            values[keys[index]] = found?.value
        }
        return values
    }

    /// Whether a key has a live value in any tier.
    public func contains(_ key: String) async throws(CacheError) -> Bool {
        try await contains(self.key(key))
    }

    /// Whether a physical key has a live value in any tier.
    public func contains(_ key: CacheKey) async throws(CacheError) -> Bool {
        try requireDeclared()
        return try await cache.containsStanding([key])[0]
    }

    /// Which of many keys have a live value in any tier: at most one round trip per tier, no value is moved from the remote.
    public func contains(_ keys: [String]) async throws(CacheError) -> Set<String> {
        try requireDeclared()
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        return Set(zip(keys, try await cache.containsStanding(physical)).filter(\.1).map(\.0))
    }

    /// What this namespace's handles have read and loaded since the cache was made; for physical keys, what all handles for them have.
    public func statistics() -> NamespaceStatistics { counters.statistics }

    // MARK: Writing

    /// Stores a value. With a local store it is on disk when this returns; without one it is in the remote.
    ///
    /// - Parameters:
    ///   - ttl: How long it lives; the namespace's TTL where left out. One millisecond to ten years, 30 days with tags.
    ///   - tags: What it is removed by with ``removeAll(tagged:)``: at most 64, each of 1 to 256 bytes of UTF-8. Not in an interop
    ///     namespace.
    /// - Throws: ``CacheError/Code/encoding``, ``CacheError/Code/valueTooLarge``, and what the first durable tier says.
    public func set(
        _ value: Value, for key: String, ttl: Duration? = nil, tags: [String] = []
    ) async throws(CacheError) {
        try await set(value, for: self.key(key), ttl: ttl, tags: tags)
    }

    /// Stores a value under a physical key; see ``set(_:for:ttl:tags:)-(_,String,_,_)``.
    public func set(
        _ value: Value, for key: CacheKey, ttl: Duration? = nil, tags: [String] = []
    ) async throws(CacheError) {
        try requireDeclared()
        let attributes = try cache.newAttributes(cache.registry.policy(for: key), tags: tags)
        try await cache.store([
            Cache.Write(key: key, document: encode(value, key), ttl: ttl, attributes: attributes)
        ])
    }

    /// Stores many values, all with the same tags: one transaction with a local store, one pipeline without.
    public func set(
        _ values: [String: Value], ttl: Duration? = nil, tags: [String] = []
    ) async throws(CacheError) {
        try requireDeclared()
        var writes: [Cache.Write] = []
        for (key, value) in values {
            let key = try self.key(key)
            let attributes = try cache.newAttributes(cache.registry.policy(for: key), tags: tags)
            writes.append(
                Cache.Write(key: key, document: try encode(value, key), ttl: ttl, attributes: attributes))
        }
        try await cache.store(writes)
    }

    /// Stores many values that live for different times; see ``set(_:ttl:tags:)``.
    public func set(_ entries: [(key: CacheKey, value: Value, ttl: Duration?)]) async throws(CacheError) {
        try requireDeclared()
        var writes: [Cache.Write] = []
        writes.reserveCapacity(entries.count)
        for entry in entries {
            writes.append(Cache.Write(key: entry.key, document: try encode(entry.value, entry.key), ttl: entry.ttl))
        }
        try await cache.store(writes)
    }

    /// Deletes a key, whether or not it exists.
    public func delete(_ key: String) async throws(CacheError) {
        try await cache.remove([self.key(key)])
    }

    /// Deletes a physical key, whether or not it exists.
    public func delete(_ key: CacheKey) async throws(CacheError) {
        try requireDeclared()
        try await cache.remove([key])
    }

    /// Deletes many keys: one transaction with a local store, one pipeline without.
    public func delete(_ keys: [String]) async throws(CacheError) {
        try requireDeclared()
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        try await cache.remove(physical)
    }

    // MARK: Coding

    func encode(_ value: Value, _ key: CacheKey) throws(CacheError) -> [UInt8] {
        try codec.encode(value, cache.registry.policy(for: key).mode)
    }

    /// What stands under a key: a value, or a negative result.
    struct Standing {
        var value: Value?
    }

    /// What a live entry that a caller reads says: its value, `nil` for a negative result. `nil` for what was removed.
    func standing(_ entry: MemoryEntry, _ key: CacheKey) async throws(CacheError) -> Standing? {
        guard let opened = try await cache.openedUnlessRemoved(entry, key, usually: state) else { return nil }
        guard let document = opened.document else { return Standing(value: nil) }
        cache.slide(entry, opened.attributes, key)
        return Standing(value: try decode(document))
    }

    /// The value of an entry, and what is known of it; `nil` for a negative result, and for what was removed.
    func lookup(
        _ entry: MemoryEntry, _ key: CacheKey, from source: EntrySource
    ) async throws(CacheError) -> Lookup<Value>? {
        guard let opened = try await cache.openedUnlessRemoved(entry, key, usually: state),
            let document = opened.document
        else { return nil }
        cache.slide(entry, opened.attributes, key)
        return Lookup(try decode(document), entry, opened.attributes, from: source, at: cache.clock.now())
    }

    private func decode(_ document: consuming [UInt8]) throws(CacheError) -> Value {
        do {
            return try codec.decode(document)
        } catch {
            cache.counters.openFailures.count(error)
            throw error
        }
    }
}
