import CFuzzer
import CacheKitCore

@testable import CacheKitRedis

// Replies: whatever comes, in whatever pieces, is the same replies or a protocol error; never a crash.

/// What the reader makes of bytes that arrive in pieces of a size.
func read(_ bytes: UnsafeRawBufferPointer, pieces: Int) -> (replies: [RESPValue], isBroken: Bool) {
    var replies: [RESPValue] = []
    do throws(CacheError) {
        let reader = try RESPReader(maximumValueBytes: 1024)
        var rest = bytes[...]
        while !rest.isEmpty {
            try reader.feed(UnsafeRawBufferPointer(rebasing: rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
            while let reply = try reader.next() { replies.append(reply) }
        }
        return (replies, false)
    } catch {
        precondition(error.code == .remoteProtocol)
        return (replies, true)
    }
}

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
_ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let whole = read(bytes, pieces: max(1, count))
    for pieces in [1, 7] {
        let split = read(bytes, pieces: pieces)
        precondition(split == whole, "pieces of \(pieces) give other replies")
    }
    return 0
}
