import CacheKit

/// Writes numbers that count up to keys that come round again, and says of each write that it tries it, and that it is
/// acknowledged; a negative number is a delete.
struct CountingWriter {
    static let keyCount = 300

    let cache: Cache

    func run(from first: Int) async throws {
        try await cache.running {
            let numbers = cache.namespace("n", of: Int.self)
            say("open")
            var number = first
            while true {
                number += 1
                let key = "k\(number % Self.keyCount)"
                // Not a divisor of the number of keys, so that each key is written and deleted.
                let isDelete = number.isMultiple(of: 7)
                say("try \(isDelete ? -number : number)")
                if isDelete { try await numbers.delete(key) } else { try await numbers.set(number, for: key) }
                say("ack \(isDelete ? -number : number)")
            }
        }
    }
}
