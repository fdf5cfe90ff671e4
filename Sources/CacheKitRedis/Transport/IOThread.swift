internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A thread for calls that block, so that Swift's cooperative pool never does.
enum IOThread {
    /// Runs `body` on a new, detached thread.
    static func start(_ body: @escaping @Sendable () -> Void) throws(CacheError) {
        let box = Unmanaged.passRetained(Body(run: body))
        // Not a variable: which module owns its initializer depends on what else was imported.
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        pthread_attr_init(attributes)
        defer {
            pthread_attr_destroy(attributes)
            attributes.deallocate()
        }
        pthread_attr_setdetachstate(attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(attributes, 512 << 10)
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let status = pthread_create(
            &thread, attributes,
            { pointer in
                #if canImport(Darwin)
                    Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
                #else
                    if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
                #endif
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            box.release()
            throw .redisSocket("pthread_create", errno: status)
        }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }
}
