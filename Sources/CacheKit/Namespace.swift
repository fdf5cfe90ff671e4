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
    /// Where is counted what this handle does: of the namespace, or of all handles for physical keys together.
    let counters: NamespaceCounters
    private let problem: CacheError?

    init(cache: Cache, codec: ValueCodec<Value>) {
        self.cache = cache
        self.name = nil
        self.codec = codec
        self.counters = cache.registry.fallback.counters
        self.problem = nil
    }

    init(cache: Cache, name: String, policy: NamespacePolicy, codec: ValueCodec<Value>) {
        self.cache = cache
        self.name = name
        self.codec = codec
        do {
            try policy.loading.checkLocks(cache.local, cache.remote)
            counters = try cache.registry.declare(name, policy).counters
            problem = nil
        } catch {
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
            counters.read(hash, from: .memory)
            return try value(of: entry, key)
        }
        guard let (entry, source) = try await cache.entryBelowMemory(key, hash) else {
            counters.read(hash, from: nil)
            return nil
        }
        counters.read(hash, from: source)
        return try value(of: entry, key)
    }

    /// The values of many keys, at most one round trip per tier; keys without a live value are left out.
    public func get(_ keys: [String]) async throws(CacheError) -> [String: Value] {
        try requireDeclared()
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        let found = try await cache.entries(for: physical)
        var values: [String: Value] = [:]
        for (index, located) in found.enumerated() {
            counters.read(Hash128(physical[index]), from: located?.source)
            guard let located else { continue }
            values[keys[index]] = try value(of: located.entry, physical[index])
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
        return try await cache.contains([key])[0]
    }

    /// Which of many keys have a live value in any tier: at most one round trip per tier, no value is moved from the remote.
    public func contains(_ keys: [String]) async throws(CacheError) -> Set<String> {
        try requireDeclared()
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        return Set(zip(keys, try await cache.contains(physical)).filter(\.1).map(\.0))
    }

    /// What this namespace's handles have read and loaded since the cache was made; for physical keys, what all handles for them have.
    public var statistics: NamespaceStatistics { counters.statistics }

    // MARK: Writing

    /// Stores a value. With a local store it is on disk when this returns; without one it is in the remote.
    ///
    /// - Parameter ttl: How long it lives; the namespace's TTL where left out. One millisecond to ten years.
    /// - Throws: ``CacheError/Code/encoding``, ``CacheError/Code/valueTooLarge``, and what the first durable tier says.
    public func set(_ value: Value, for key: String, ttl: Duration? = nil) async throws(CacheError) {
        try await set(value, for: self.key(key), ttl: ttl)
    }

    /// Stores a value under a physical key; see ``set(_:for:ttl:)-(_,String,_)``.
    public func set(_ value: Value, for key: CacheKey, ttl: Duration? = nil) async throws(CacheError) {
        try requireDeclared()
        try await cache.store([Cache.Write(key: key, document: encode(value, key), ttl: ttl)])
    }

    /// Stores many values: one transaction with a local store, one pipeline without.
    public func set(_ values: [String: Value], ttl: Duration? = nil) async throws(CacheError) {
        try requireDeclared()
        var writes: [Cache.Write] = []
        for (key, value) in values {
            let key = try self.key(key)
            writes.append(Cache.Write(key: key, document: try encode(value, key), ttl: ttl))
        }
        try await cache.store(writes)
    }

    /// Stores many values that live for different times; see ``set(_:ttl:)``.
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

    /// The value of a live entry that a caller reads; `nil` for a negative result.
    func value(of entry: MemoryEntry, _ key: CacheKey) throws(CacheError) -> Value? {
        guard !entry.isNegative else { return nil }
        do {
            let opened = try cache.sealer.opened(entry, key: key)
            cache.slide(entry, opened.attributes, key)
            return try codec.decode(opened.document)
        } catch {
            cache.counters.openFailures.count(error)
            throw error
        }
    }

    /// The value of an entry, and what is known of it; `nil` for a negative result.
    func lookup(_ entry: MemoryEntry, _ key: CacheKey, from source: EntrySource) throws(CacheError) -> Lookup<Value>? {
        guard !entry.isNegative else { return nil }
        do {
            let opened = try cache.sealer.opened(entry, key: key)
            cache.slide(entry, opened.attributes, key)
            return Lookup(
                try codec.decode(opened.document), entry, opened.attributes, from: source, at: cache.clock.now())
        } catch {
            cache.counters.openFailures.count(error)
            throw error
        }
    }
}
