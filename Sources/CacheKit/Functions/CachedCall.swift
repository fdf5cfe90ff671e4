public import CacheKitCore

/// One call of a cached function: the entry that its operation and arguments name, and how its value is made.
///
/// ``CachedFunction/call(_:)`` and `@Cached` give it. What is wrong with the declaration or an argument is told by every use.
public struct CachedCall<Value: Codable & Sendable>: Sendable {
    private let operation: CachedOperation<Value>
    private let arguments: Result<[InteropArgument], CacheError>
    private let load: @Sendable () async throws -> Value

    init(
        _ operation: CachedOperation<Value>, _ arguments: Result<[InteropArgument], CacheError>,
        load: @escaping @Sendable () async throws -> Value
    ) {
        self.operation = operation
        self.arguments = arguments
        self.load = load
    }

    /// A call that is declared where it is made.
    ///
    /// - Parameters:
    ///   - name: The operation's name, under which every SDK knows the function.
    ///   - namespace: The interop namespace; see ``Cache/function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    ///   - ttl: How long a loaded value lives; the namespace's TTL where left out.
    ///   - argument: The arguments in declared order, defaults filled in.
    ///   - load: What makes the value where no tier has it.
    public init<each Argument: InteropArgumentConvertible>(
        _ name: String, in namespace: String, of cache: Cache, ttl: Duration? = nil,
        arguments argument: repeat each Argument, load: @escaping @Sendable () async throws -> Value
    ) {
        self.init(
            CachedOperation(name, in: namespace, of: cache, ttl: ttl), InteropArgument.list(repeat each argument),
            load: load)
    }

    /// The physical key, `{namespace}:{operation}:{args_hash}`.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for a name that is not allowed, ``CacheError/Code/encoding`` for an
    ///   argument outside the model, ``CacheError/Code/invalidConfiguration`` for a TTL out of range.
    public var key: CacheKey {
        get throws(CacheError) { try operation.key(arguments.get()) }
    }

    /// The value: the entry's, or else what the function gives, stored for the next caller.
    ///
    /// One load per key at a time in this process; see ``Namespace/getOrSet(_:ttl:load:)-(CacheKey,_,_)``.
    ///
    /// - Throws: What the function throws, `CancellationError`, or ``CacheError``.
    public func value() async throws -> Value {
        try await operation.values.getOrSet(key, ttl: operation.ttl, load: load)
    }

    /// The entry's value, or `nil` where no tier has a live one; the function is not called.
    public func get() async throws(CacheError) -> Value? {
        try await operation.values.get(key)
    }

    /// Stores a value as what the call gives: after a change whose result is known.
    public func set(_ value: Value) async throws(CacheError) {
        try await operation.values.set(value, for: key, ttl: operation.ttl)
    }

    /// Deletes the entry, so that the next call, here or in any other SDK on the same Redis, calls its function: after a
    /// change of what it is made from.
    public func invalidate() async throws(CacheError) {
        try await operation.values.delete(key)
    }
}

extension InteropArgument {
    /// The arguments of a call, or what is wrong with the first that is outside the model.
    static func list<each Argument: InteropArgumentConvertible>(
        _ argument: repeat each Argument
    ) -> Result<[InteropArgument], CacheError> {
        var arguments: [InteropArgument] = []
        do throws(CacheError) {
            for argument in repeat each argument { arguments.append(try argument.interopArgument) }
        } catch {
            return .failure(error)
        }
        return .success(arguments)
    }
}
