internal import CacheKitCore

/// Work for the writer thread, with what to tell whom when it has been committed.
struct WriteJob: Sendable {
    /// Tells the caller; runs after the commit.
    typealias Completion = @Sendable () -> Void

    /// Bytes of values that it carries.
    var byteCount = 0
    /// Sequences that it may draw.
    var changeCount = 0
    /// Whether it runs in the transaction of its batch, or alone and outside any.
    var isTransactional = true
    var perform: @Sendable (Writer) throws(CacheError) -> Completion
    var fail: @Sendable (CacheError) -> Void
}
