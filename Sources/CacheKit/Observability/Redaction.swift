// What holds a tenant, a namespace's name or keys shows none of them where it is printed, reflected or dumped.

extension Cache: CustomStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "Cache(redacted)" }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Namespace: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: the type of the values only.
    public var description: String { "Namespace<\(Value.self)>(redacted)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension CachedFunction: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: the type of the values only.
    public var description: String { "CachedFunction<\(Value.self)>(redacted)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension CachedCall: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: the type of the value only.
    public var description: String { "CachedCall<\(Value.self)>(redacted)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension NamespaceChanges: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "NamespaceChanges(redacted)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension CacheConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: no tenant.
    public var description: String { "CacheConfiguration(defaultTTL: \(defaultTTL), defaultMode: \(defaultMode))" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Without the tenant.
    public var customMirror: Mirror {
        Mirror(self, children: ["defaultTTL": defaultTTL, "defaultMode": defaultMode, "memory": memory])
    }
}

extension LocalStoreContext: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: no tenant and no keys.
    public var description: String { "LocalStoreContext(hasRemote: \(hasRemote))" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Without tenant and keys.
    public var customMirror: Mirror { Mirror(self, children: ["hasRemote": hasRemote]) }
}
