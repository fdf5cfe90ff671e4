public import CacheKitCore

/// A remote that gives out locks, the same ones to every SDK (protocol section 8).
public protocol RemoteLocking: Sendable {
    /// Takes the lock of a key for as long as the lease, if nobody has it.
    func acquireLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool

    /// Lets the lease begin anew; `false` if the lock is not the token's any more.
    func renewLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool

    /// Gives the lock back; `false` if it was not the token's any more.
    func releaseLock(of key: CacheKey, _ token: LockToken) async throws(CacheError) -> Bool
}

/// Says whose a lock is: 128 random bits.
public struct LockToken: Sendable, Equatable {
    /// As the remote keeps it: 32 hex digits.
    public let text: String

    /// A token that nobody else has.
    public init() {
        let halves = [UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max)]
        text = halves.map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
