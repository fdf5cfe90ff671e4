public import CacheKitCore

extension Namespace {
    /// The value of a key; where no tier has one, what `load` gives, stored for the next caller.
    ///
    /// One load per key at a time in this process: callers who come meanwhile wait for it and get its value or its error. A
    /// caller who is cancelled leaves with `CancellationError` and disturbs nobody. Bytes that no longer fit the type count
    /// as a miss. When the loaded value can't be stored because a tier is away or full, it is returned all the same. What
    /// else happens, such as serving a stale value, is up to the namespace's ``LoadingPolicy``.
    ///
    /// - Throws: What `load` throws, `CancellationError`, ``CacheError/Code/loadTimeout``, or ``CacheError``.
    public func getOrSet(
        _ key: String, ttl: Duration? = nil, load: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await getOrSet(self.key(key), ttl: ttl, load: load)
    }

    /// The value of a physical key, or what `load` gives; see ``getOrSet(_:ttl:load:)-(String,_,_)``.
    public func getOrSet(
        _ key: CacheKey, ttl: Duration? = nil, load: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let lookup = try await makeLoad(key, acceptsAbsence: false) { Loaded(try await load(), ttl: ttl) }.result()
        guard let lookup else {
            throw CacheError(.internalFault, "a load gave no value; please report this")
        }
        return lookup.value
    }

    /// The value of a key; where no tier has one, what the loader gives, which decides how long it lives and what tags it has,
    /// or says that there is none: that is `nil`, and remembered for the policy's ``LoadingPolicy/negativeTTL``.
    ///
    /// - Throws: As ``getOrSet(_:ttl:load:)-(String,_,_)``.
    public func getOrSet(
        _ key: String, loading: @escaping @Sendable () async throws -> Loaded<Value>
    ) async throws -> Value? {
        try await lookupOrSet(self.key(key), loading: loading)?.value
    }

    /// The value of a physical key, or what the loader gives; see ``getOrSet(_:loading:)-(String,_)``.
    public func getOrSet(
        _ key: CacheKey, loading: @escaping @Sendable () async throws -> Loaded<Value>
    ) async throws -> Value? {
        try await lookupOrSet(key, loading: loading)?.value
    }

    /// As ``getOrSet(_:loading:)-(String,_)``, and says where the value came from, how old it is, and whether it is stale.
    public func lookupOrSet(
        _ key: String, loading: @escaping @Sendable () async throws -> Loaded<Value>
    ) async throws -> Lookup<Value>? {
        try await lookupOrSet(self.key(key), loading: loading)
    }

    /// As ``lookupOrSet(_:loading:)-(String,_)``, for a physical key.
    public func lookupOrSet(
        _ key: CacheKey, loading: @escaping @Sendable () async throws -> Loaded<Value>
    ) async throws -> Lookup<Value>? {
        try await makeLoad(key, acceptsAbsence: true, loading).result()
    }

    /// The values of many keys; those that no tier has come from one run of `load`, which is given their keys, and are stored
    /// together. At most one round trip per tier.
    ///
    /// Keys that `load` gives nothing for are left out, and remembered for the policy's ``LoadingPolicy/negativeTTL``. A key that
    /// somebody else is loading is waited for and not given to `load`.
    ///
    /// - Throws: As ``getOrSet(_:ttl:load:)-(String,_,_)``.
    public func getOrSet(
        _ keys: [String], ttl: Duration? = nil, load: @escaping @Sendable ([String]) async throws -> [String: Value]
    ) async throws -> [String: Value] {
        try requireDeclared()
        var seen: Set<String> = []
        let keys = keys.filter { seen.insert($0).inserted }
        var physical: [CacheKey] = []
        for key in keys { physical.append(try self.key(key)) }
        guard let first = physical.first else { return [:] }
        return try await BatchLoad(
            namespace: self, keys: keys, physical: physical, policy: cache.registry.policy(for: first), ttl: ttl,
            loader: load
        ).result()
    }

    /// The value of a key with its tier, age and remaining life; also a stale one that is still kept. `nil` for none. Loads nothing.
    ///
    /// - Throws: As ``get(_:)-(String)``.
    public func lookup(_ key: String) async throws(CacheError) -> Lookup<Value>? {
        try await lookup(self.key(key))
    }

    /// As ``lookup(_:)-(String)``, for a physical key.
    public func lookup(_ key: CacheKey) async throws(CacheError) -> Lookup<Value>? {
        try requireDeclared()
        // The second time for what a lower tier has in place of what was removed.
        for _ in 0..<2 {
            guard let (entry, source) = try await cache.located(key) else { break }
            let found = try await lookup(entry, key, from: source)
            // Removed, unless it says that there is none.
            if found == nil, !entry.isNegative { continue }
            counters.read(Hash128(key), from: source)
            return found
        }
        counters.read(Hash128(key), from: nil)
        guard let (entry, source) = try await cache.locatedStale(key) else { return nil }
        return try await lookup(entry, key, from: source)
    }

    private func makeLoad(
        _ key: CacheKey, acceptsAbsence: Bool, _ loader: @escaping Load<Value>.Loader
    ) throws(CacheError) -> Load<Value> {
        try requireDeclared()
        return Load(
            namespace: self, key: key, policy: cache.registry.policy(for: key), acceptsAbsence: acceptsAbsence,
            loader: loader)
    }
}
