internal import CacheKitCore
internal import Synchronization

/// What a thread leaves for the task that it resumes.
///
/// Not through the continuation: a task that is resumed before it waits goes on at once, in a step of Swift's runtime that the
/// thread sanitizer does not see, and everything that the thread had made would look like a race. It sees the lock.
final class Handover<Output: Sendable>: Sendable {
    private let result = Mutex<Result<Output, CacheError>?>(nil)

    func leave(_ result: Result<Output, CacheError>) { self.result.withLock { $0 = result } }

    func take() throws(CacheError) -> Output {
        guard let result = result.withLock({ $0.take() }) else {
            throw CacheError(.internalFault, "a thread of the local store left no result; please report it")
        }
        return try result.get()
    }
}
