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
    /// What of it was removed; `nil` where nothing can be: in interop mode, and without a name.
    let removals: RemovalScope?
    /// How its keys begin.
    private let prefix: String
    /// Whether another declared namespace lies in this one.
    private let hasInner = Atomic<Bool>(false)
    let counters = NamespaceCounters()

    init(name: String?, policy: NamespacePolicy, hasStores: Bool) {
        self.name = name
        self.policy = policy
        prefix = name.map { "\($0):" } ?? ""
        removals = name.flatMap { policy.mode == .native ? RemovalScope(name: $0, hasStores: hasStores) : nil }
    }

    /// Whether this decides about a key, without a look at other namespaces; `false` where that can't be told.
    func surelyHas(_ key: CacheKey) -> Bool {
        !hasInner.load(ordering: .relaxed) && key.string.utf8.starts(with: prefix.utf8)
    }

    /// Another namespace was declared: one of the two may lie in the other.
    fileprivate func meets(_ other: NamespaceState) {
        RemovalScope.nest(removals, other.removals)
        if other.prefix.utf8.starts(with: prefix.utf8) { hasInner.store(true, ordering: .releasing) }
        if prefix.utf8.starts(with: other.prefix.utf8) { other.hasInner.store(true, ordering: .releasing) }
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
    private let hasStores: Atomic<Bool>
    private let hasRemovals = Atomic<Bool>(false)

    init(fallback: NamespacePolicy, hasStores: Bool) {
        self.fallback = NamespaceState(name: nil, policy: fallback, hasStores: hasStores)
        self.hasStores = Atomic(hasStores)
        if fallback.loading.isSliding { sliding.store(true, ordering: .relaxed) }
    }

    /// A provider may turn out to give no store: then nothing below memory knows of removals.
    func opened(hasStores: Bool) { self.hasStores.store(hasStores, ordering: .relaxed) }

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
            let state = NamespaceState(
                name: name, policy: policy, hasStores: hasStores.load(ordering: .relaxed))
            for other in states.values { state.meets(other) }
            states[hash] = state
            if state.removals != nil { hasRemovals.store(true, ordering: .releasing) }
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

    /// What is known of the removals of a declared namespace.
    func removals(of namespace: String) -> RemovalScope? { state(of: namespace)?.removals }

    /// A declared namespace.
    func state(of name: String) -> NamespaceState? {
        let hash = Hash128(name)
        return states.withLock { $0[hash] }
    }

    /// Whose removals count for a key; `nil` for keys of which none can be known.
    ///
    /// - Parameter state: What decides usually, so that no lock is taken.
    func removals(for key: CacheKey, usually state: NamespaceState?) -> RemovalScope? {
        if let state, state.surelyHas(key) { return state.removals }
        guard hasRemovals.load(ordering: .acquiring) else { return nil }
        return self.state(for: key).removals
    }

    /// Of every declared namespace that has removals.
    var removals: [RemovalScope] { states.withLock { $0.values.compactMap(\.removals) } }

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
