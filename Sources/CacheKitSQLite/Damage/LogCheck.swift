internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Reads a write-ahead log as bytes and tells damage in it from a commit that a crash tore.
///
/// SQLite ends the log at the first frame that does not fit its checksum, without a word: whatever was committed behind it
/// is gone (https://www.sqlite.org/fileformat2.html#the_write_ahead_log). A crash explains at most one commit there,
/// because a durable commit is synced before the next one begins. Two or more, or a damaged header before frames that fit
/// it, are damage. Commits with `.relaxed` durability are not synced one by one: a power cut can leave several of those.
struct LogCheck: Equatable {
    /// Frames that SQLite reads.
    var frames = 0
    /// Commits that it reads.
    var commits = 0
    /// Commits behind the first frame that it does not read.
    var unreadableCommits = 0
    /// SQLite reads nothing of the log, though frames of it are whole.
    var isHeaderDamaged = false

    /// Whether synced commits can't have been left like this by a crash.
    var isDamaged: Bool { isHeaderDamaged || unreadableCommits > 1 }

    static var damaged: CacheError {
        CacheError(
            .damagedStore,
            "the log beside the file is damaged and holds commits that can't be read; keep a copy and run 'cachekit doctor'"
        )
    }

    /// Checks the log beside a database; `nil` if there is none.
    ///
    /// Another process may be writing: what looks like damage must look the same three times. Linear in the log.
    static func run(_ path: String) throws(CacheError) -> LogCheck? {
        var last: LogCheck?
        for _ in 0..<3 {
            guard DatabaseFile.byteCount(path + "-wal") > LogHeader.byteCount else { return nil }
            let check = try read(path + "-wal")
            guard check.isDamaged else { return check }
            // It moves: somebody writes, and what was read was half of it.
            guard last == nil || last == check else { return LogCheck() }
            last = check
            usleep(1000)
        }
        return last
    }

    private static func read(_ path: String) throws(CacheError) -> LogCheck {
        // Closing it gives no lock away: SQLite locks the database and the shared memory, never the log.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return LogCheck() }
            throw CacheError(errno: errno, "opening the log")
        }
        defer { close(descriptor) }
        func bytes(_ count: Int) -> [UInt8]? {
            var buffer = [UInt8](repeating: 0, count: count)
            return fill(&buffer, descriptor, at: LogHeader.byteCount) ? buffer : nil
        }
        var start = [UInt8](repeating: 0, count: LogHeader.byteCount)
        guard fill(&start, descriptor, at: 0) else { return LogCheck() }
        guard let header = LogHeader(start) else {
            return LogCheck(isHeaderDamaged: LogHeader.rebuilt(start, firstFrame: bytes) != nil)
        }
        return scan(descriptor, header)
    }

    private static func scan(_ descriptor: Int32, _ header: LogHeader) -> LogCheck {
        var check = LogCheck()
        var frame = [UInt8](repeating: 0, count: header.frameByteCount)
        var sum = header.sum
        var isReadable = true
        var offset = LogHeader.byteCount
        var lastCommit: [UInt8]?
        while fill(&frame, descriptor, at: offset) {
            offset += frame.count
            // Frames of an earlier round of the log carry other salts.
            guard header.owns(frame) else {
                isReadable = false
                continue
            }
            let isCommit = LogHeader.word(frame, 4) != 0
            if isReadable {
                sum = header.sum(sum, frame)
                isReadable = header.accepts(frame) && sum == LogSum(frame, at: 16)
            }
            if isReadable {
                check.frames += 1
                if isCommit { check.commits += 1 }
                continue
            }
            // Padding to a sector repeats a commit's last frame, all of it but the checksum. Successive commits of one page
            // differ: whatever changes is sealed anew.
            let commit = isCommit ? Array(frame[0..<8]) + frame[24...] : nil
            if let commit, commit != lastCommit { check.unreadableCommits += 1 }
            lastCommit = commit
        }
        return check
    }

    private static func fill(_ buffer: inout [UInt8], _ descriptor: Int32, at offset: Int) -> Bool {
        let count = buffer.count
        return buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, off_t(offset)) } == count
    }
}
