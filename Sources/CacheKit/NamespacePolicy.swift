import CacheKitCore
import Synchronization

/// What was declared for the keys of a namespace.
struct NamespacePolicy: Sendable, Equatable {
    var mode: NamespaceMode
    var ttl: Duration
    var loading = LoadingPolicy()

    /// What is wrong with it, a sentence each.
    var problems: [String] {
        var problems = loading.problems.map(\.description)
        if ttl < .milliseconds(1) || ttl > CacheConfiguration.maximumTTL {
            problems.append("a namespace's TTL lies between one millisecond and ten years")
        }
        if mode == .interop, loading.slidingLimit != nil {
            problems.append("slidingLimit needs native mode: what other SDKs read has no room for it")
        }
        return problems
    }
}

/// A declared namespace, or all keys outside of one: its policy, and what is counted of it.
final class NamespaceState: Sendable {
    /// `nil` for the keys outside every namespace.
    let name: String?
    let policy: NamespacePolicy
    let counters = NamespaceCounters()

    init(name: String?, policy: NamespacePolicy) {
        self.name = name
        self.policy = policy
    }
}

/// The declared namespaces; the longest one that a physical key starts with decides.
final class NamespaceRegistry: Sendable {
    /// By the hash of a name's bytes: strings that only look alike are different namespaces, as their keys are.
    private let states = Mutex<[Hash128: NamespaceState]>([:])
    /// Whether any namespace has sliding values; asked at every read.
    private let sliding = Atomic(false)
    var hasSliding: Bool { sliding.load(ordering: .relaxed) }
    /// The declared ones, for those who report.
    var declared: [NamespaceState] { states.withLock { Array($0.values) } }

    /// Of the keys outside every namespace.
    let fallback: NamespaceState

    init(fallback: NamespacePolicy) {
        self.fallback = NamespaceState(name: nil, policy: fallback)
        if fallback.loading.isSliding { sliding.store(true, ordering: .relaxed) }
    }

    /// Declares a namespace; declaring it again differently is an error, because two handles would disagree about bytes.
    @discardableResult
    func declare(_ name: String, _ policy: NamespacePolicy) throws(CacheError) -> NamespaceState {
        guard (1...512).contains(name.utf8.count), !name.utf8.contains(0),
            !"\(name):".utf8.starts(with: CacheKey.reservedPrefix.utf8)
        else {
            throw CacheError(
                .invalidConfiguration,
                "a namespace has 1 to 512 bytes of UTF-8 without NUL and is not 'ckv', which is CacheKit's own")
        }
        guard policy.problems.isEmpty else {
            throw CacheError(.invalidConfiguration, policy.problems.joined(separator: "; "))
        }
        let hash = Hash128(name)
        let state = states.withLock { states in
            if let standing = states[hash] { return standing }
            let state = NamespaceState(name: name, policy: policy)
            states[hash] = state
            return state
        }
        if policy.loading.isSliding { sliding.store(true, ordering: .relaxed) }
        guard state.policy == policy else {
            throw CacheError(
                .invalidConfiguration,
                "this namespace is declared already with another mode, TTL or loading policy; declare it once and share the handle"
            )
        }
        return state
    }

    /// The policy of a key.
    func policy(for key: CacheKey) -> NamespacePolicy { state(for: key).policy }

    /// The longest declared namespace `n` for which the key starts with `n:`, byte for byte.
    func state(for key: CacheKey) -> NamespaceState {
        var string = key.string
        return states.withLock { states in
            guard !states.isEmpty else { return fallback }
            return string.withUTF8 { bytes in
                var prefix = bytes[...]
                while let colon = prefix.lastIndex(of: UInt8(ascii: ":")) {
                    prefix = prefix[..<colon]
                    let hash = Hash128(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: prefix)))
                    if let state = states[hash] { return state }
                }
                return fallback
            }
        }
    }
}
