import Floors
import Foundation

/// By how much the resident memory of this process grows at most while a body runs, in bytes.
func residentGrowth(_ body: () async throws -> Void) async throws -> Int {
    #if os(Linux)
        // What was freed goes back first, so that it can't be used without being seen.
        floor_memory_give_back()
        // "5" sets the peak to what is resident now (proc_pid_clear_refs(5)).
        try Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
        let start = try peakOfResidentMemory()
        try await body()
        return try peakOfResidentMemory() - start
    #else
        throw Contest.Unavailable(reason: "the peak of resident memory is read from /proc")
    #endif
}

#if os(Linux)
    private func peakOfResidentMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        guard let kibibytes = line.flatMap({ Int($0.filter(\.isNumber)) }) else {
            throw FloorFailure(call: "/proc/self/status")
        }
        return kibibytes << 10
    }
#endif

/// The resident memory of this process, in bytes.
func residentMemory() throws -> Int {
    #if os(Linux)
        // Pages: the whole program, what is resident of it (proc_pid_statm(5)).
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw FloorFailure(call: "/proc/self/statm") }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    #else
        throw Contest.Unavailable(reason: "resident memory is read from /proc")
    #endif
}
