public import CacheKitCore

// One declaration for each number of parameters, because Swift 6.3 does not compile every closure that takes a parameter pack
// (decision 0033). Six are enough for a key; more belong into a structure that is one argument.

extension Cache {
    /// A function whose results are cached under interop keys, shared with every CacheKit SDK that uses the same names.
    ///
    /// ```swift
    /// let user = cache.function("get_user", in: "users", ttl: .seconds(300)) { (id: Int) in try await database.user(id) }
    /// let ada = try await user(42)
    /// try await user.invalidate(42)
    /// ```
    ///
    /// In Python this is `@cache(interop="get_user", namespace="users", ttl=300, ...)` on a function with the same parameters
    /// in the same order. What is wrong with a name is told by every call. The namespace is declared in interop mode with the
    /// configuration's defaults unless it is declared already, so that its TTL and ``LoadingPolicy`` hold here; where it is to
    /// have some of its own, declare it first.
    ///
    /// - Parameters:
    ///   - name: The operation: 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit.
    ///   - namespace: Likewise.
    ///   - ttl: How long a value lives; the namespace's TTL where left out. One millisecond to ten years.
    ///   - body: What gives the value where no tier has it; of its parameters the key is made. Its errors pass unwrapped.
    public func function<Value: Codable & Sendable, A: InteropArgumentConvertible>(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A) async throws -> Value
    ) -> CachedFunction<A, Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl), body)
    }

    /// A cached function of no parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<Value: Codable & Sendable>(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable () async throws -> Value
    ) -> CachedFunction<(), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) { _ in try await body() }
    }

    /// A cached function of two parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<Value: Codable & Sendable, A: InteropArgumentConvertible, B: InteropArgumentConvertible>(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A, B) async throws -> Value
    ) -> CachedFunction<(A, B), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) { try await body($0.0, $0.1) }
    }

    /// A cached function of three parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<
        Value: Codable & Sendable, A: InteropArgumentConvertible, B: InteropArgumentConvertible,
        C: InteropArgumentConvertible
    >(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A, B, C) async throws -> Value
    ) -> CachedFunction<(A, B, C), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) { try await body($0.0, $0.1, $0.2) }
    }

    /// A cached function of four parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<
        Value: Codable & Sendable, A: InteropArgumentConvertible, B: InteropArgumentConvertible,
        C: InteropArgumentConvertible, D: InteropArgumentConvertible
    >(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A, B, C, D) async throws -> Value
    ) -> CachedFunction<(A, B, C, D), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) {
            try await body($0.0, $0.1, $0.2, $0.3)
        }
    }

    /// A cached function of five parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<
        Value: Codable & Sendable, A: InteropArgumentConvertible, B: InteropArgumentConvertible,
        C: InteropArgumentConvertible, D: InteropArgumentConvertible, E: InteropArgumentConvertible
    >(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A, B, C, D, E) async throws -> Value
    ) -> CachedFunction<(A, B, C, D, E), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) {
            try await body($0.0, $0.1, $0.2, $0.3, $0.4)
        }
    }

    /// A cached function of six parameters; see ``function(_:in:ttl:_:)-(_,_,_,(A)->Value)``.
    public func function<
        Value: Codable & Sendable, A: InteropArgumentConvertible, B: InteropArgumentConvertible,
        C: InteropArgumentConvertible, D: InteropArgumentConvertible, E: InteropArgumentConvertible,
        F: InteropArgumentConvertible
    >(
        _ name: String, in namespace: String, ttl: Duration? = nil,
        _ body: @escaping @Sendable (A, B, C, D, E, F) async throws -> Value
    ) -> CachedFunction<(A, B, C, D, E, F), Value> {
        CachedFunction(CachedOperation(name, in: namespace, of: self, ttl: ttl)) {
            try await body($0.0, $0.1, $0.2, $0.3, $0.4, $0.5)
        }
    }
}
