internal import CacheKitCore
internal import Synchronization

/// Reads of a whole table, one at a time: on a thread and a connection of their own, so that no point read waits for them.
final class Scanner: Sendable {
    private let file: OpenedFile
    private let threads = ReadThreads(maximumThreads: 1)
    /// Opened for the first scan.
    private let reader = Mutex<Reader?>(nil)

    init(_ file: OpenedFile) {
        self.file = file
    }

    /// Runs a body in one snapshot, which ends with it.
    func scan<Output: Sendable>(
        _ body: @escaping @Sendable (Reader) throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        try await threads.run { () throws(CacheError) in try self.scanHere(body) }
    }

    private func scanHere<Output: Sendable>(
        _ body: (Reader) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        try reader.withLock { reader throws(CacheError) in
            if reader == nil { reader = try Reader(file) }
            guard let reader else { throw ReadPool.closed }
            defer { reader.snapshot.release() }
            return try reader.read(body)
        }
    }

    /// Refuses further scans, waits for those that were begun, and closes.
    func close() async {
        await threads.close()
        reader.withLock { $0 = nil }
    }
}
