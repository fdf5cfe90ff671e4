internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// Sends the reads of one key each that tasks ask for at the same moment as one read of many keys.
///
/// A read alone goes at once. One that finds others under way steps back once (`Task.yield()`), so that tasks which are ready
/// to run can join it, and then sends what has gathered: no timer, and no waiting for the network. A transaction of its own
/// for each key would cost the server twice as much and the client several times as much. What goes wrong for one key is not
/// the others' fault: then each asks again for itself, once.
final class GatheredReads: Sendable {
    /// So many keys go together at most.
    static let maximumCount = ReadOperation.keysPerTransaction

    typealias Read = ([CacheKey]) async throws(CacheError) -> [RemoteEntry?]

    fileprivate struct State {
        /// The group that can be joined.
        var open: Group?
        /// Reads that were sent or lead a group.
        var outstandingCount = 0
    }

    /// Keys that go together; under the lock until it is taken for sending.
    fileprivate final class Group: @unchecked Sendable {
        // Unchecked because the lock of the owner guards it while others can reach it.
        let priority: TaskPriority
        var keys: [CacheKey]
        /// Those who wait, in the order of the keys from the second on.
        var followers: [OneShot<RemoteEntry?>] = []

        init(_ key: CacheKey, _ priority: TaskPriority) {
            self.priority = priority
            keys = [key]
        }
    }

    fileprivate enum Role {
        case alone
        case leader(Group)
        case follower(OneShot<RemoteEntry?>)
    }

    private let state = Mutex(State())

    /// Reads a key, perhaps together with others.
    func read(_ key: CacheKey, by read: Read) async throws(CacheError) -> RemoteEntry? {
        let priority = Task.currentPriority
        let role = state.withLock { $0.join(key, priority) }
        switch role {
        case .alone:
            defer { leave() }
            return try await Self.readAlone(key, read)
        case .leader(let group):
            await Task.yield()
            defer { leave() }
            return try await lead(group, read)
        case .follower(let result):
            do throws(CacheError) {
                return try await result.value()
            } catch {
                guard !Self.concernsAll(error), !Task.isCancelled else { throw error }
                return try await Self.readAlone(key, read)
            }
        }
    }

    private func lead(_ group: Group, _ read: Read) async throws(CacheError) -> RemoteEntry? {
        let (keys, followers) = state.withLock { state in
            if state.open === group { state.open = nil }
            return (group.keys, group.followers)
        }
        do throws(CacheError) {
            let entries = try await read(keys)
            guard entries.count == keys.count else { throw .redisUnexpectedReply() }
            for (follower, entry) in zip(followers, entries.dropFirst()) { follower.finish(.success(entry)) }
            return entries[0]
        } catch {
            for follower in followers { follower.finish(.failure(error)) }
            guard !followers.isEmpty, !Self.concernsAll(error), !Task.isCancelled else { throw error }
            return try await Self.readAlone(keys[0], read)
        }
    }

    private func leave() {
        state.withLock { $0.outstandingCount -= 1 }
    }

    private static func readAlone(_ key: CacheKey, _ read: Read) async throws(CacheError) -> RemoteEntry? {
        guard let entry = try await read([key]).first else { throw .redisUnexpectedReply() }
        return entry
    }

    /// Whether the server could not be asked at all; anything else may be due to one key, one value or one caller.
    private static func concernsAll(_ error: CacheError) -> Bool {
        switch error.code {
        case .remoteUnavailable, .remoteTimeout, .remoteNotReady, .backPressure, .shutdown: true
        default: false
        }
    }
}

extension GatheredReads.State {
    fileprivate mutating func join(_ key: CacheKey, _ priority: TaskPriority) -> GatheredReads.Role {
        // Behind a leader of lower priority, a caller would wait for that one's turn.
        if let open, open.keys.count < GatheredReads.maximumCount, priority <= open.priority {
            let result = OneShot<RemoteEntry?>()
            open.keys.append(key)
            open.followers.append(result)
            return .follower(result)
        }
        outstandingCount += 1
        guard outstandingCount > 1 else { return .alone }
        let group = GatheredReads.Group(key, priority)
        open = group
        return .leader(group)
    }
}
