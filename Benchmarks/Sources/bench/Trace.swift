import Foundation

/// A public cache trace of the `shared` folder beside the repository: keys in order of access, numbered from 0.
struct Trace {
    static let names = ["loop", "multi3", "sprite", "web12"]

    let file: URL
    let keys: [Int]
    let distinct: Int

    /// Where the traces are: `CACHEKIT_SHARED`, or `shared` beside the repository; `nil` where there is none.
    static let folder: URL? = {
        if let path = ProcessInfo.processInfo.environment["CACHEKIT_SHARED"] {
            return URL(filePath: path).appending(path: "traces")
        }
        var folder = URL(filePath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let traces = folder.appending(path: "shared/traces")
            if FileManager.default.fileExists(atPath: traces.path) { return traces }
        }
        return nil
    }()

    init(_ file: URL) throws {
        self.file = file
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/bin/gzip")
        process.arguments = ["-dc", file.path]
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw FloorFailure(call: "gzip") }
        var numbers: [Data.SubSequence: Int] = [:]
        keys = text.split(separator: UInt8(ascii: "\n")).map { line in
            let number = numbers[line] ?? numbers.count
            numbers[line] = number
            return number
        }
        distinct = numbers.count
    }

    /// The best that any policy can do with so many entries: who is needed last goes (Belady, 1966).
    func optimum(entries: Int) -> Double {
        let never = keys.count
        var next = [Int](repeating: never, count: keys.count)
        var seen = [Int](repeating: never, count: distinct)
        for index in keys.indices.reversed() {
            next[index] = seen[keys[index]]
            seen[keys[index]] = index
        }
        // At each moment that something held is needed next, what it is: the last of them goes. Times are their own order.
        var needed = [Int](repeating: never, count: distinct)
        var heap = MaximumHeap()
        var held = 0
        var hits = 0
        var isHeld = [Bool](repeating: false, count: distinct)
        for index in keys.indices {
            let key = keys[index]
            if isHeld[key] {
                hits += 1
            } else {
                isHeld[key] = true
                held += 1
            }
            needed[key] = next[index]
            heap.insert(next[index], key)
            while held > entries, let (time, last) = heap.removeMaximum() {
                // Passed over if it was read since it was put there.
                guard isHeld[last], needed[last] == time else { continue }
                isHeld[last] = false
                held -= 1
            }
        }
        return Double(hits) / Double(keys.count)
    }
}

/// A binary heap of times, each with a key.
private struct MaximumHeap {
    private var items: [(time: Int, key: Int)] = []

    mutating func insert(_ time: Int, _ key: Int) {
        items.append((time, key))
        var child = items.count - 1
        while child > 0, items[(child - 1) / 2].time < items[child].time {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeMaximum() -> (Int, Int)? {
        guard let maximum = items.first, let last = items.popLast() else { return nil }
        if items.isEmpty { return maximum }
        items[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            if child >= items.count { break }
            if child + 1 < items.count, items[child + 1].time > items[child].time { child += 1 }
            if items[parent].time >= items[child].time { break }
            items.swapAt(parent, child)
            parent = child
        }
        return maximum
    }
}
