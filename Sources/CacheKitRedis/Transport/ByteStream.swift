internal import CacheKitCore

/// A connected, non-blocking stream of bytes, ready for logging in. TCP and unix sockets are one; TLS goes on top of one.
///
/// Reads happen on one thread, writes on one at a time; both may run at once.
protocol ByteStream: AnyObject, Sendable {
    /// What to wait on with `poll`.
    var descriptor: CInt { get }
    /// Takes what has arrived, at most as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamProgress
    /// Hands over as much as is taken now.
    func write(_ bytes: UnsafeRawBufferPointer) -> StreamProgress
    /// Ends both directions at once; safe from any thread. The descriptor is closed with the last reference, so that no
    /// thread ever uses the number of another file.
    func shutDown()
}

/// What one read or write achieved.
enum StreamProgress {
    /// That many bytes.
    case bytes(Int)
    /// Nothing now; wait with `poll`.
    case wouldBlock
    /// The other side has closed.
    case endOfStream
    /// It failed.
    case failed(CacheError)
}
