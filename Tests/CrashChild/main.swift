import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Logging

// Works on a file until its parent kills it. Arguments: path, hex of the master keys (the current one first, separated by
// commas), seed, durability, what becomes of the previous keys. Or `fork`: what a forked child inherits. Or `share`, path, key,
// its number, how many there are, end on the monotonic clock: one of several on a file, which ends by itself. Or `load` (`hang`
// to load the first key for ever), path, key, ledger, its number, tasks, keys, start on the monotonic clock: likewise.

let arguments = CommandLine.arguments
if arguments.count == 2, arguments[1] == "fork" {
    try sealInForkedChildren()
    exit(0)
}
if arguments.count == 7, arguments[1] == "share", let index = Int(arguments[4]), let count = Int(arguments[5]),
    let end = UInt64(arguments[6])
{
    let keyring = try Keyring(current: MasterKey(hex: arguments[3]))
    try await SharedFileWorkload(path: arguments[2], keyring: keyring, index: index, count: count, end: end).run()
    exit(0)
}
if arguments.count == 9, ["load", "hang"].contains(arguments[1]), let index = Int(arguments[5]),
    let tasks = Int(arguments[6]), let keys = Int(arguments[7]), let start = UInt64(arguments[8])
{
    let keyring = try Keyring(current: MasterKey(hex: arguments[3]))
    try await LoadWorkload(
        path: arguments[2], ledger: arguments[4], keyring: keyring, index: index, tasks: tasks, keys: keys,
        hangs: arguments[1] == "hang", start: start
    ).run()
    exit(0)
}
guard arguments.count == 6, let seed = UInt64(arguments[3]) else {
    FileHandle.standardError.write(Data("usage: CrashChild path key,key seed full|relaxed keep|retire\n".utf8))
    exit(2)
}
let keys = try arguments[2].split(separator: ",").map { try MasterKey(hex: $0) }
let keyring = try Keyring(current: keys[0], previous: Array(keys.dropFirst()))
var configuration = SQLiteConfiguration(path: arguments[1])
configuration.durability = arguments[4] == "full" ? .full : .relaxed
configuration.sizeLimit = 1 << 20
let context = LocalStoreContext(
    keyring: keyring, tenant: "default", hasRemote: true, clock: SystemClock(), logger: Logger(label: "crash"))
let store = try await SQLiteStore.open(configuration, context)
try await CrashWorkload(store: store, keyring: keyring, seed: seed, retires: arguments[5] == "retire").run()
