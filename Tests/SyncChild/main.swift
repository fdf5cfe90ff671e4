import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation

// A node in a process of its own. Arguments: what it does, its file, the hex of its master key, the URL of Redis, a number.
// `write`: commits and pushes until its parent kills it, from that number on. `drain`: pushes what is pending, that many
// changes, and says by how much its resident memory grew.

func say(_ line: String) {
    // One write for each line: what the parent has read was said before the kill.
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

let arguments = CommandLine.arguments
guard arguments.count == 6, let number = Int(arguments[5]) else {
    FileHandle.standardError.write(Data("usage: SyncChild write|drain path key url number\n".utf8))
    exit(2)
}
var redis = RedisConfiguration(arguments[4])
redis.maximumBackoff = .milliseconds(100)
var sync = SyncConfiguration()
sync.longestBackoff = .milliseconds(100)
let cache = try await Cache(
    local: .sqlite(path: arguments[2]), remote: redis, sync: .writeBehind(sync),
    encryption: .secure(key: .key(try MasterKey(hex: arguments[3]))))
switch arguments[1] {
case "write": try await CountingWriter(cache: cache).run(from: number)
default: try await BacklogDrain(cache: cache, count: number).run()
}
