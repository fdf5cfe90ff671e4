import Foundation

/// What stands in a block for the world outside, and what the tests put in its place when they run it.
enum TestDoubles {
    private static let doubles = [
        ("\"cache.db\"", "given.file"), ("\"redis://localhost\"", "given.redis"),
        ("(key: .environment)", "(key: given.key)"), ("(fileKey: .environment)", "(fileKey: given.key)"),
        (".key = .environment", ".key = given.key"),
    ]

    static func replacing(_ line: String) -> String {
        doubles.reduce(line) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }

    /// Whether a line still reaches outside: a test would leave a file behind, or ask a server that is not its own.
    static func reachesOutside(_ line: String) -> Bool {
        let line = replacing(line)
        return ["path: \"", "redis://", "rediss://", "= .environment", ": .environment"].contains { line.contains($0) }
    }
}
