public import CacheKitCore
import Logging

extension Namespace {
    /// The value of a key; where no tier has one, what `load` gives, stored for the next caller.
    ///
    /// One load per key at a time in this process: callers who come meanwhile wait for it and get its value or its error. A
    /// caller who is cancelled leaves with `CancellationError` and disturbs nobody. Bytes that no longer fit the type count
    /// as a miss. When the loaded value can't be stored because a tier is away or full, it is returned all the same.
    ///
    /// - Throws: What `load` throws, `CancellationError`, or ``CacheError``.
    public func getOrSet(
        _ key: String, ttl: Duration? = nil, load: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await getOrSet(self.key(key), ttl: ttl, load: load)
    }

    /// The value of a physical key, or what `load` gives; see ``getOrSet(_:ttl:load:)-(String,_,_)``.
    public func getOrSet(
        _ key: CacheKey, ttl: Duration? = nil, load: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try requireDeclared()
        if let entry = cache.memoryEntry(for: key), let value = try await decodable(entry, key) { return value }
        let flight = LoadKey(
            hash: Hash128(key), type: ObjectIdentifier(Value.self), generation: cache.removalGeneration(of: key))
        let result = try await cache.loads.run(flight) {
            // Memory was asked and counted above; it is asked again because another load may just have ended.
            if let entry = try await cache.entry(for: key, isCounted: false) {
                if let value = try await decodable(entry, key) { return value }
                cache.counters.undecodable.count()
            }
            let stamp = try await cache.loadStamp(for: key)
            let value = try await loaded(load)
            try await keep(value, key, ttl, stamp)
            return value
        }
        guard let value = result as? Value else {
            throw CacheError(.internalFault, "a load gave a value of another type; please report this")
        }
        return value
    }

    /// The value, or `nil` for bytes that do not fit the type; authentication is not forgiven.
    private func decodable(_ entry: MemoryEntry, _ key: CacheKey) async throws(CacheError) -> Value? {
        do {
            return try await current(entry, key)
        } catch  where error.code == .decoding || error.code == .invalidEnvelope {
            return nil
        }
    }

    private func loaded(_ load: @Sendable () async throws -> Value) async throws -> Value {
        do {
            let value = try await load()
            cache.counters.loads.count()
            return value
        } catch {
            cache.counters.loadFailures.count()
            throw error
        }
    }

    private func keep(_ value: Value, _ key: CacheKey, _ ttl: Duration?, _ stamp: UInt64) async throws(CacheError) {
        do {
            var write = Cache.Write(key: key, document: try encode(value, key), ttl: ttl)
            write.attributes.stamp = stamp
            try await cache.store([write])
        } catch  where error.isStorageTrouble {
            cache.counters.storeFailures.count()
            cache.configuration.logger.warning("a loaded value was not stored", metadata: ["error": "\(error)"])
        }
    }
}

extension CacheError {
    /// Whether a tier is away, full or busy, as opposed to a value or a configuration that is wrong.
    fileprivate var isStorageTrouble: Bool {
        switch code {
        case .diskFull, .inputOutput, .readOnlyStore, .storeBusy, .backPressure: true
        default: isRemoteAway
        }
    }
}
