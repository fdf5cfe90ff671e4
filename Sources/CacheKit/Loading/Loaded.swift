/// What a loader gives, where it decides more than the value.
public struct Loaded<Value: Sendable>: Sendable {
    /// The value; `nil` says that there is none, which is remembered for ``LoadingPolicy/negativeTTL``.
    public var value: Value?
    /// How long it lives, or how long is remembered that there is none; what the namespace says for `nil`.
    public var ttl: Duration?
    /// What it can be removed by, beside its key; at most 64.
    public var tags: [String]

    /// A value, or that there is none.
    public init(_ value: Value?, ttl: Duration? = nil, tags: [String] = []) {
        self.value = value
        self.ttl = ttl
        self.tags = tags
    }

    /// There is no such value.
    public static var absent: Loaded { Loaded(nil) }
}
