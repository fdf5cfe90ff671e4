import CacheKitCore
import Synchronization

/// What was declared for the keys of a namespace.
struct NamespacePolicy: Sendable, Equatable {
    var mode: NamespaceMode
    var ttl: Duration
}

/// The declared namespaces; the longest one that a physical key starts with decides.
final class NamespaceRegistry: Sendable {
    /// By the hash of a name's bytes: strings that only look alike are different namespaces, as their keys are.
    private let policies = Mutex<[Hash128: NamespacePolicy]>([:])
    private let fallback: NamespacePolicy

    init(fallback: NamespacePolicy) {
        self.fallback = fallback
    }

    /// Declares a namespace; declaring it again differently is an error, because two handles would disagree about bytes.
    func declare(_ name: String, _ policy: NamespacePolicy) throws(CacheError) {
        guard (1...512).contains(name.utf8.count), !name.utf8.contains(0),
            !"\(name):".utf8.starts(with: CacheKey.reservedPrefix.utf8)
        else {
            throw CacheError(
                .invalidConfiguration,
                "a namespace has 1 to 512 bytes of UTF-8 without NUL and is not 'ckv', which is CacheKit's own")
        }
        guard policy.ttl >= .milliseconds(1), policy.ttl <= CacheConfiguration.maximumTTL else {
            throw CacheError(.invalidConfiguration, "a namespace's TTL lies between one millisecond and ten years")
        }
        let hash = Hash128(name)
        let standing = policies.withLock { policies in
            let standing = policies[hash]
            if standing == nil { policies[hash] = policy }
            return standing
        }
        guard standing == nil || standing == policy else {
            throw CacheError(
                .invalidConfiguration,
                "this namespace is declared already with another mode or TTL; declare it once and share the handle")
        }
    }

    /// The policy of the longest declared namespace `n` for which the key starts with `n:`, byte for byte.
    func policy(for key: CacheKey) -> NamespacePolicy {
        var string = key.string
        return policies.withLock { policies in
            guard !policies.isEmpty else { return fallback }
            return string.withUTF8 { bytes in
                var prefix = bytes[...]
                while let colon = prefix.lastIndex(of: UInt8(ascii: ":")) {
                    prefix = prefix[..<colon]
                    let hash = Hash128(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: prefix)))
                    if let policy = policies[hash] { return policy }
                }
                return fallback
            }
        }
    }
}
