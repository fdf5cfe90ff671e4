import CacheKitCore

/// What the calls of one cached function share: where its entries are, and how long they live.
struct CachedOperation<Value: Codable & Sendable>: Sendable {
    let values: Namespace<Value>
    let ttl: Duration?
    /// The operation, or what is wrong with its declaration; told by each call, as with a ``Namespace``.
    private let operation: Result<InteropOperation, CacheError>

    init(_ name: String, in namespace: String, of cache: Cache, ttl: Duration?) {
        self.ttl = ttl
        operation = Result { () throws(CacheError) in
            if let ttl, ttl < .milliseconds(1) || ttl > CacheConfiguration.maximumTTL {
                throw CacheError(.invalidConfiguration, "a function's TTL lies between one millisecond and ten years")
            }
            return try InteropOperation(namespace: namespace, operation: name)
        }
        values = Self.handle(cache, try? operation.get())
    }

    func key(_ arguments: [InteropArgument]) throws(CacheError) -> CacheKey {
        try operation.get().key(arguments)
    }

    /// Values under physical keys, in interop mode.
    ///
    /// A namespace that is declared in interop mode already is left as it is, whatever its TTL; one that is not is declared.
    private static func handle(_ cache: Cache, _ operation: InteropOperation?) -> Namespace<Value> {
        guard let operation, let prefix = try? CacheKey("\(operation.namespace):\(operation.operation):")
        else { return cache.values(of: Value.self) }
        let state = cache.registry.state(for: prefix)
        // What is in no namespace is declared, whatever the default mode: who declares it otherwise later is told.
        if state.name != nil, state.policy.mode == .interop { return cache.values(of: Value.self, in: state) }
        return cache.namespace(operation.namespace, of: Value.self, mode: .interop)
    }
}
