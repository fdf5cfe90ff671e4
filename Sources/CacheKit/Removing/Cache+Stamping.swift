import CacheKitCore

/// Stamping values so that it can be told whether a removal came after them.
extension Cache {
    /// The attributes of a value that is about to be written, with its stamp and its tags checked.
    ///
    /// Whoever calls has seen to it that the namespace can be stamped, if it is declared.
    ///
    /// - Parameter life: How long it is kept, stale windows included.
    func stamped(
        _ attributes: ValueAttributes, _ state: NamespaceState, kept life: Duration, _ now: Timestamp
    ) throws(CacheError) -> ValueAttributes {
        guard state.removals != nil || attributes.tags.isEmpty else {
            throw CacheError(
                .invalidArgument,
                "tags need a declared namespace in native mode: what other SDKs read has no room for them; set the value without"
            )
        }
        // Also where no namespace was declared: who has declared it would take a value without a stamp for older than any removal.
        guard state.policy.mode == .native else { return attributes }
        guard attributes.tags.isEmpty || life <= RemovalMarker.longestTaggedLife else {
            throw .taggedForTooLong()
        }
        guard attributes.stamp == 0 else { return attributes }
        var attributes = attributes
        attributes.stamp = stamps.next(at: now)
        return attributes
    }

    /// A stamp for what is loaded from now on, so that a removal meanwhile is newer; 0 where values carry none.
    func loadStamp(for keys: [CacheKey]) async throws(CacheError) -> UInt64 {
        var isStamped = false
        for key in keys {
            guard let scope = registry.removals(for: key, usually: nil) else { continue }
            isStamped = true
            if !scope.canStamp { try await meet(scope.chain.filter { !$0.isMet }) }
        }
        return isStamped ? stamps.next(at: clock.now()) : 0
    }

    /// What is kept beside a value that is set now.
    func newAttributes(_ policy: NamespacePolicy, tags: [String]) throws(CacheError) -> ValueAttributes {
        var attributes = newAttributes(policy)
        attributes.tags = try ValueAttributes.hashes(of: tags)
        return attributes
    }

    /// Takes note of the removals that this node has heard of, so that new stamps lie above them: by the file alone where there
    /// is one, as writing waits for no remote then.
    func meet(_ scopes: [RemovalScope]) async throws(CacheError) {
        guard let local else {
            guard remote != nil else { return }
            return try await learn(scopes.flatMap { [($0, RemovalMarker.Part.all), ($0, .anyTag)] })
        }
        let moments = scopes.map(\.moment)
        let now = clock.now()
        let markers = scopes.flatMap { [($0, RemovalMarker($0.name, .all)), ($0, RemovalMarker($0.name, .anyTag))] }
        for ((scope, marker), row) in zip(markers, try await local.read(markers.map(\.1.key))) {
            guard let row, let value = row.value, row.isLive(at: now) else { continue }
            scope.raise(marker.part, to: markerStamp(value, row.form, marker, scope, now))
        }
        for (scope, moment) in zip(scopes, moments) { scope.met(asked: moment) }
    }
}

extension TagHash {
    /// The hash of a tag that a caller gave.
    init(checked tag: String) throws(CacheError) {
        guard (1...256).contains(tag.utf8.count) else {
            throw CacheError(.invalidArgument, "a tag has 1 to 256 bytes of UTF-8; shorten it")
        }
        try self.init(tag)
    }
}

extension CacheError {
    static func taggedForTooLong() -> CacheError {
        CacheError(
            .invalidArgument,
            "a value with tags is kept for at most 30 days, stale windows included; give it a shorter TTL")
    }
}
