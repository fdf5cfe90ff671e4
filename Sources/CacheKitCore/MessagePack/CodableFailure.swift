/// Turns what Codable threw into ``CacheError`` without a value: the path names fields of types only, and the cause is
/// rebuilt, because Codable's own errors hold the value, dictionary keys and free text.
enum CodableFailure {
    static func encoding(_ error: any Error) -> CacheError {
        if let error = error as? CacheError { return error }
        guard case .invalidValue(let value, let context)? = error as? EncodingError else {
            return CacheError(.encoding, "the value's own encode(to:) failed; see the cause", cause: error)
        }
        let redacted = EncodingError.invalidValue(
            value as? any Any.Type ?? type(of: value),
            .init(codingPath: fields(context.codingPath), debugDescription: "no MessagePack form"))
        return CacheError(
            .encoding, "a value has no MessagePack form at \(path(context.codingPath)); change its type",
            cause: redacted)
    }

    static func decoding(_ error: any Error) -> CacheError {
        if let error = error as? CacheError { return error }
        guard let error = error as? DecodingError else {
            return CacheError(.decoding, "the type's own init(from:) failed; see the cause", cause: error)
        }
        switch error {
        case .typeMismatch(let type, let context):
            return failure(context, "another MessagePack type than \(type)") { .typeMismatch(type, $0) }
        case .valueNotFound(let type, let context):
            return failure(context, "no value where \(type) is expected") { .valueNotFound(type, $0) }
        case .keyNotFound(let key, let context):
            let name = field(key)
            return failure(context, "no key '\(name.stringValue)'") { .keyNotFound(name, $0) }
        case .dataCorrupted(let context):
            return failure(context, "a value that its type does not take") { .dataCorrupted($0) }
        @unknown default:
            return CacheError(.decoding, "the bytes do not fit the type asked for; check the type of the namespace")
        }
    }

    private static func failure(
        _ context: DecodingError.Context, _ found: String, _ cause: (DecodingError.Context) -> DecodingError
    ) -> CacheError {
        CacheError(
            .decoding, "the bytes do not fit the type: \(found) at \(path(context.codingPath)); check the type",
            cause: cause(.init(codingPath: fields(context.codingPath), debugDescription: found)))
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.isEmpty ? "the top" : fields(keys).map(\.stringValue).joined(separator: ".")
    }

    private static func fields(_ keys: [any CodingKey]) -> [any CodingKey] {
        keys.map(field)
    }

    /// A case of an enum is a name from source code; any other key may come from a dictionary, and hold a value.
    private static func field(_ key: any CodingKey) -> any CodingKey {
        if key is NamedCodingKey { return key }
        return NamedCodingKey(stringValue: Mirror(reflecting: key).displayStyle == .enum ? key.stringValue : "*")
    }
}
