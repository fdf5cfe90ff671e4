import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation

// A node in a process of its own. Arguments: what it does, its file, the hex of its master key, the URL of Redis, a number.
// `write`: commits and pushes until its parent kills it, from that number on. `drain`: pushes what is pending, that many
// changes, and says by how much its resident memory grew. `versioned-<step>` and `single-<step>`: writes that number to 200
// keys, and pushes them up to that step of the first batch; with one writer where it says so.

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
let encryption = Encryption.secure(key: .key(try MasterKey(hex: arguments[3])))
let words = arguments[1].split(separator: "-")
if words.count == 2, let step = Step(rawValue: String(words[1])) {
    sync.policy.isSingleWriter = words[0] == "single"
    (redis.commandTimeout, redis.connectTimeout) = (.seconds(30), .seconds(30))
    let cache = try await Cache(
        local: EndingStoreProvider(configuration: SQLiteConfiguration(path: arguments[2]), step: step),
        remote: EndingRemoteProvider(configuration: redis, step: step), sync: .writeBehind(sync),
        encryption: encryption)
    let values = Dictionary(uniqueKeysWithValues: (0..<200).map { ("k\($0)", number) })
    try await cache.namespace("n", of: Int.self).set(values)
    say("committed")
    await cache.run()
    exit(1)
}
let cache = try await Cache(
    local: .sqlite(path: arguments[2]), remote: redis, sync: .writeBehind(sync), encryption: encryption)
switch arguments[1] {
case "write": try await CountingWriter(cache: cache).run(from: number)
default: try await BacklogDrain(cache: cache, count: number).run()
}
