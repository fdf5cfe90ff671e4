internal import CacheKitCore

/// A connected, non-blocking stream of bytes, ready for logging in. TCP and unix sockets are one; TLS goes on top of one.
///
/// One thread at a time reads, and one writes; both may run at once.
protocol ByteStream: AnyObject, Sendable {
    /// What to wait on with `poll`.
    var descriptor: CInt { get }
    /// Whether others on the way can't read it.
    var isEncrypted: Bool { get }
    /// Whether the last read left bytes behind that `poll` does not know of.
    var holdsReceivedBytes: Bool { get }
    /// Takes what has arrived, at most as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamProgress
    /// Hands over as much as is taken now. The next write begins with the bytes that were left.
    func write(_ bytes: UnsafeRawBufferPointer) -> StreamProgress
    /// Ends both directions at once; safe from any thread. The descriptor is closed with the last reference, so that no
    /// thread ever uses the number of another file.
    func shutDown()
}

extension ByteStream {
    var isEncrypted: Bool { false }
    var holdsReceivedBytes: Bool { false }
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
