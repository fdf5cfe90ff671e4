public import CacheKitCore

/// A function whose results are cached under interop keys: a function of another SDK with the same namespace and operation
/// shares its entries.
///
/// Made by ``Cache/function(_:in:ttl:_:)-(_,_,_,(A)->Value)``; cheap to copy and to keep.
public struct CachedFunction<Arguments: Sendable, Value: Codable & Sendable>: Sendable {
    private let operation: CachedOperation<Value>
    private let body: @Sendable (Arguments) async throws -> Value

    /// The body takes a tuple: Swift 6.3 does not compile every closure that takes a parameter pack.
    init(_ operation: CachedOperation<Value>, _ body: @escaping @Sendable (Arguments) async throws -> Value) {
        self.operation = operation
        self.body = body
    }

    /// The entry's value, or else what the function gives, stored for the next caller; see ``CachedCall/value()``.
    public func callAsFunction<each Argument: InteropArgumentConvertible>(
        _ argument: repeat each Argument
    ) async throws -> Value where Arguments == (repeat each Argument) {
        try await call(repeat each argument).value()
    }

    /// A call that is not made yet: its key, its entry.
    public func call<each Argument: InteropArgumentConvertible>(
        _ argument: repeat each Argument
    ) -> CachedCall<Value> where Arguments == (repeat each Argument) {
        made((repeat each argument), InteropArgument.list(repeat each argument))
    }

    /// Apart from the parameter packs, which no closure may capture in Swift 6.3.
    private func made(_ arguments: Arguments, _ list: Result<[InteropArgument], CacheError>) -> CachedCall<Value> {
        CachedCall(operation, list) { [body] in try await body(arguments) }
    }

    /// The physical key of a call; see ``CachedCall/key``.
    public func key<each Argument: InteropArgumentConvertible>(
        _ argument: repeat each Argument
    ) throws(CacheError) -> CacheKey where Arguments == (repeat each Argument) {
        try call(repeat each argument).key
    }

    /// Deletes the entry of a call; see ``CachedCall/invalidate()``.
    public func invalidate<each Argument: InteropArgumentConvertible>(
        _ argument: repeat each Argument
    ) async throws(CacheError) where Arguments == (repeat each Argument) {
        try await call(repeat each argument).invalidate()
    }
}
