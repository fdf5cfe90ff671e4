import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Foundation

/// A remote that ends the process at a step, or says when a batch is about to be sent.
final class EndingRemote: ForwardingRemoteStore {
    let base: RedisStore
    private let step: Step

    init(_ base: RedisStore, _ step: Step) {
        self.base = base
        self.step = step
    }

    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        if step == .sending { say("sending") }
        let answers = try await base.push(pushes)
        step.reached(.answered)
        return answers
    }

    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        if step == .sending { say("sending") }
        return try await base.write(writes)
    }
}

/// Opens one.
struct EndingRemoteProvider: RemoteStoreProvider {
    let configuration: RedisConfiguration
    let step: Step

    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? {
        EndingRemote(try RedisStore(configuration, context: context), step)
    }
}
