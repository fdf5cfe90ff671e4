import CacheKitCore
import Foundation
import Synchronization

/// The process `SyncChild`, and the lines that it says.
///
/// Not Foundation's `Process`: on Linux it learns of a child's end only once every child started meanwhile has ended, and
/// servers are started meanwhile. What it says goes to a file, which outlives a kill as a pipe does.
final class NodeProcess: Sendable {
    /// How it ended, and what it said.
    struct End: Sendable {
        var lines: [String]
        var wasKilled: Bool
        var isClean: Bool
    }

    private let output: String
    private let identifier: pid_t

    init(_ arguments: [String]) throws {
        output = FileManager.default.temporaryDirectory.appending(path: "cachekit-said-\(UUID().uuidString)").path
        let executable = try Self.executable()
        var words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        let actions = UnsafeMutablePointer<posix_spawn_file_actions_t>.allocate(capacity: 1)
        posix_spawn_file_actions_init(actions)
        defer {
            posix_spawn_file_actions_destroy(actions)
            actions.deallocate()
        }
        posix_spawn_file_actions_addopen(actions, 1, output, O_CREAT | O_WRONLY | O_APPEND, 0o600)
        var process: pid_t = 0
        guard posix_spawn(&process, executable, actions, nil, words, environ) == 0 else {
            throw CacheError(.inputOutput, "SyncChild could not be started")
        }
        identifier = process
    }

    deinit {
        try? FileManager.default.removeItem(atPath: output)
    }

    /// The child lies beside the bundle of the tests.
    private static func executable() throws -> String {
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<6 {
            let candidate = folder.appending(path: "SyncChild")
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate.path }
            folder.deleteLastPathComponent()
        }
        throw CacheError(.invalidConfiguration, "SyncChild was not built; run the tests by 'swift test'")
    }

    /// Whether it has said anything yet.
    var hasBegun: Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: output)
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0 > 0
    }

    /// What it has said so far.
    var said: String { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }

    /// To be called before its end was waited for.
    func kill9() { kill(identifier, SIGKILL) }

    /// Waits for its end, once.
    func ended() async throws -> End {
        var status: CInt = 0
        while waitpid(identifier, &status, WNOHANG) == 0 { try await Task.sleep(for: .milliseconds(2)) }
        let text = try String(contentsOfFile: output, encoding: .utf8)
        // The low seven bits are the signal (wait(2)).
        return End(
            lines: text.split(separator: "\n").map(String.init), wasKilled: status & 0x7F == SIGKILL,
            isClean: status == 0)
    }
}
