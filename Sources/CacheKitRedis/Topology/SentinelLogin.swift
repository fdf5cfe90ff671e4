internal import CacheKitCore
internal import Synchronization

/// Gets what is said to sentinels when logging in: their own user and password, never those of the data.
final class SentinelLogin: Sendable {
    /// A provider that hangs outlives its call; that many may, before new calls fail.
    private static let maximumUnfinished = 4

    private let provider: (@Sendable () async throws -> RedisCredentials)?
    private let clientName: String
    private let unfinished = Mutex(0)

    init(provider: (@Sendable () async throws -> RedisCredentials)?, clientName: String) {
        self.provider = provider
        self.clientName = clientName
    }

    private final class Outcome: Sendable {
        let result = Mutex<Result<RedisCredentials, CacheError>?>(nil)
    }

    /// Asks the provider. Blocks until the deadline: for I/O threads only.
    func login(deadline: ContinuousClock.Instant) throws(CacheError) -> Login {
        var login = Login(clientName: clientName)
        guard let provider else { return login }
        guard let wakeup = Wakeup() else {
            throw CacheError(.remoteUnavailable, "no pipe for the sentinels' login; raise the limit of open files")
        }
        let mayAsk = unfinished.withLock { count in
            guard count < Self.maximumUnfinished else { return false }
            count += 1
            return true
        }
        guard mayAsk else { throw .redisConnectTimeout() }
        let outcome = Outcome()
        Task.detached {
            let result: Result<RedisCredentials, CacheError>
            do {
                result = .success(try await provider())
            } catch {
                result = .failure(RedisNode.credentialsError(error))
            }
            outcome.result.withLock { $0 = result }
            self.unfinished.withLock { $0 -= 1 }
            wakeup.wake()
        }
        _ = Poll.wait(wakeup.descriptor, for: .reading, until: deadline)
        guard let result = outcome.result.withLock({ $0 }) else { throw .redisConnectTimeout() }
        login.credentials = try result.get()
        return login
    }
}
