import CacheKitCore

extension Namespace {
    /// Removes everything in the namespace, and in declared namespaces that lie in it.
    ///
    /// In native mode in constant time: a marker is written as a value is, and what was stamped before it counts as missing on
    /// every node that has heard of it; on this one when this returns. A load that began before is removed with the rest, though
    /// it ends later. What the removed values take up is given back as they expire or make room. Offline it is carried to
    /// the remote later.
    ///
    /// A namespace in interop mode, which other SDKs write too, is removed key by key: linear in all that file and remote
    /// hold, in batches. What was there when it began is deleted, and what is written meanwhile may be. It can be cancelled,
    /// and called again it goes on. Memory is emptied of everything. A remote that is away makes it throw after what is held
    /// here was deleted. Interop namespaces that lie in a native one are not removed with it.
    ///
    /// - Parameter progress: Told after each batch of keys; never in native mode.
    /// - Throws: ``CacheError/Code/invalidArgument`` on a handle for physical keys, and what the tiers say.
    @discardableResult
    public func removeAll(progress: (Removal) -> Void = { _ in }) async throws(CacheError) -> Removal {
        let (name, state) = try requireName()
        guard let scope = state.removals else {
            return try await cache.removeByScanning("\(name):", progress: progress)
        }
        try await cache.removeAll(scope)
        return Removal(isComplete: true)
    }

    /// Removes what was set or loaded with a tag, in constant time; see ``removeAll(progress:)``.
    ///
    /// The tag is one of this namespace, and of declared ones that lie in it.
    ///
    /// - Parameter tag: 1 to 256 bytes of UTF-8.
    /// - Throws: ``CacheError/Code/invalidArgument`` on a handle for physical keys and in interop mode, and what the tiers say.
    public func removeAll(tagged tag: String) async throws(CacheError) {
        let (_, state) = try requireName()
        guard let scope = state.removals else {
            throw CacheError(
                .invalidArgument, "an interop namespace has no tags: other SDKs could not read them; delete by key")
        }
        try await cache.removeAll(tagged: tag, scope)
    }

    private func requireName() throws(CacheError) -> (name: String, state: NamespaceState) {
        try requireDeclared()
        guard let name, let state else {
            throw CacheError(
                .invalidArgument, "a handle for physical keys has no namespace to remove; use one of the namespace's")
        }
        return (name, state)
    }
}

extension Cache {
    /// Removes everything in a declared namespace; see ``Namespace/removeAll(progress:)``.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` for a namespace that was not declared in this cache.
    @discardableResult
    public func removeAll(
        in namespace: String, progress: (Removal) -> Void = { _ in }
    ) async throws(CacheError) -> Removal {
        try await handle(namespace).removeAll(progress: progress)
    }

    /// Removes what has a tag in a declared namespace; see ``Namespace/removeAll(tagged:)``.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` for a namespace that was not declared in this cache.
    public func removeAll(in namespace: String, tagged tag: String) async throws(CacheError) {
        try await handle(namespace).removeAll(tagged: tag)
    }

    private func handle(_ name: String) throws(CacheError) -> Namespace<[UInt8]> {
        guard let state = registry.state(of: name) else {
            throw CacheError(
                .invalidConfiguration, "this namespace was not declared here; declare it before it is removed")
        }
        return Namespace(cache: self, name: name, policy: state.policy, codec: .bytes)
    }
}
