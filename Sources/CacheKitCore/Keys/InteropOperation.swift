/// A function whose results every CacheKit SDK shares: a namespace and an operation name (protocol section 2).
public struct InteropOperation: Hashable, Sendable {
    /// First segment of its keys.
    public let namespace: String
    /// Second segment of its keys.
    public let operation: String

    /// Declares an operation.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` unless each segment is 1 to 64 of `a-z 0-9 . _ -`, the first a letter
    ///   or digit, and the namespace is not `ckv`, which is CacheKit's own.
    public init(namespace: String, operation: String) throws(CacheError) {
        try Self.check(namespace, "namespace")
        try Self.check(operation, "operation")
        guard "\(namespace):" != CacheKey.reservedPrefix else {
            throw CacheError(.invalidArgument, "the namespace 'ckv' is CacheKit's own; choose another")
        }
        self.namespace = namespace
        self.operation = operation
    }

    /// `{namespace}:{operation}:{args_hash}` for the canonical MessagePack of the flat array of arguments.
    ///
    /// The hash is lowercase hex of BLAKE2b-256. At most 194 characters.
    public func key(canonicalArguments: [UInt8]) -> CacheKey {
        var hash: [UInt8] = []
        hash.reserveCapacity(64)
        for byte in Blake2b.digest256(canonicalArguments) {
            hash.append(hexDigit(byte >> 4))
            hash.append(hexDigit(byte & 15))
        }
        return CacheKey(validated: "\(namespace):\(operation):\(String(decoding: hash, as: UTF8.self))")
    }

    private static func check(_ segment: String, _ role: String) throws(CacheError) {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        let bytes = segment.utf8
        let marks: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        guard let first = bytes.first, bytes.count <= 64, isAlphanumeric(first),
            bytes.allSatisfy({ isAlphanumeric($0) || marks.contains($0) })
        else {
            throw CacheError(
                .invalidArgument,
                "the interop \(role) must be 1 to 64 of a-z, 0-9, '.', '_', '-' and begin with a letter or digit")
        }
    }
}

extension InteropOperation {
    /// The key for arguments in declared order, defaults filled in.
    ///
    /// - Throws: what their canonical form throws for an argument outside the model.
    public func key(_ arguments: [InteropArgument]) throws(CacheError) -> CacheKey {
        key(canonicalArguments: try InteropArgument.canonicalBytes(of: arguments))
    }
}
