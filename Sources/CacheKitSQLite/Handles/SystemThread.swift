internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Starts a thread of its own, outside Swift's cooperative pool.
enum SystemThread {
    static var unavailable: CacheError {
        CacheError(.inputOutput, "the system gives no thread; raise the limit of threads")
    }

    /// - Returns: whether the system gave a thread.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(ThreadBody(run: body))
        #if os(Linux)
            var thread = pthread_t()
        #else
            var thread: pthread_t?
        #endif
        let result = pthread_create(
            &thread, nil,
            { pointer in
                #if os(Linux)
                    guard let pointer else { return nil }
                #endif
                Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            return false
        }
        #if os(Linux)
            pthread_detach(thread)
        #else
            if let thread { pthread_detach(thread) }
        #endif
        return true
    }

    /// Runs a body on a thread of its own and gives its output; for what may block longer than a task may.
    static func run<Output: Sendable>(
        _ body: @escaping @Sendable () throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        let handover = Handover<Output>()
        await withCheckedContinuation { continuation in
            let isStarted = start {
                handover.leave(Result(catching: body))
                continuation.resume()
            }
            if !isStarted {
                handover.leave(.failure(unavailable))
                continuation.resume()
            }
        }
        return try handover.take()
    }

    /// Holds up the thread, which must be one of these.
    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }

    private final class ThreadBody: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
