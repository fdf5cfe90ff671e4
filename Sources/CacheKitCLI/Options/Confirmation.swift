import ArgumentParser
import CacheKitCore
import Foundation

/// Asks before something is lost: on a terminal a person, elsewhere for `--yes`.
struct Confirmation: ParsableArguments {
    @Flag(name: .long, help: "Do not ask. Needed where nobody can be asked.")
    var yes = false

    /// Goes on after a yes.
    ///
    /// - Throws: ``ExitStatus/partial`` after anything else; `invalidArgument`, which is exit code 2, where nobody can be asked.
    func require(_ question: String) throws {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1, StandardError.isTerminal else {
            throw CacheError(.invalidArgument, "nobody can be asked here (\(question)): add --yes; nothing was changed")
        }
        StandardError.ask("cachekit: \(question)? [y/N] ")
        let answer = readLine()?.trimmingCharacters(in: .whitespaces).lowercased()
        guard let answer, ["y", "yes"].contains(answer) else {
            StandardError.write("cachekit: nothing was changed")
            throw ExitStatus.partial
        }
    }
}
