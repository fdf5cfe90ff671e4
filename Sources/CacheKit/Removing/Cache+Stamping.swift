import CacheKitCore

/// Stamping values so that it can be told whether a removal came after them.
extension Cache {
    /// The attributes of a value that is about to be written, with its stamp and its tags checked.
    ///
    /// Whoever calls has seen to it that the namespace can be stamped.
    ///
    /// - Parameter life: How long it is kept, stale windows included.
    func stamped(
        _ attributes: ValueAttributes, _ state: NamespaceState, kept life: Duration, _ now: Timestamp
    ) throws(CacheError) -> ValueAttributes {
        guard state.removals != nil else {
            guard attributes.tags.isEmpty else {
                throw CacheError(
                    .invalidArgument,
                    "tags need a declared namespace in native mode: what other SDKs read has no room for them; set the value without"
                )
            }
            return attributes
        }
        guard attributes.tags.isEmpty || life <= RemovalMarker.longestTaggedLife else {
            throw CacheError(
                .invalidArgument,
                "a value with tags is kept for at most 30 days, stale windows included; give it a shorter TTL")
        }
        guard attributes.stamp == 0 else { return attributes }
        var attributes = attributes
        attributes.stamp = stamps.next(at: now)
        return attributes
    }

    /// A stamp for a value that is loaded from now on, so that a removal meanwhile is newer; 0 where values carry none.
    func loadStamp(for key: CacheKey) async throws(CacheError) -> UInt64 {
        guard let scope = registry.state(for: key).removals else { return 0 }
        if !scope.canStamp { try await meet(scope) }
        return stamps.next(at: clock.now())
    }

    /// Takes note of the removals that this node has heard of, so that new stamps lie above them: by the file alone where there
    /// is one, as writing waits for no remote then.
    func meet(_ scope: RemovalScope) async throws(CacheError) {
        let scopes = scope.chain.filter { !$0.isMet }
        guard let local else {
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

extension ValueAttributes {
    /// The hashes of tags that a caller gave.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for more than 64, an empty one, and one of more than 256 bytes.
    static func hashes(of tags: Set<String>) throws(CacheError) -> [TagHash] {
        guard !tags.isEmpty else { return [] }
        guard tags.count <= maximumTagCount else {
            throw CacheError(.invalidArgument, "a value has at most \(maximumTagCount) tags; give it fewer")
        }
        var hashes: [TagHash] = []
        for tag in tags { hashes.append(try TagHash(checked: tag)) }
        return hashes
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
