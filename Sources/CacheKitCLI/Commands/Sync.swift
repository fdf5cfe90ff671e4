import ArgumentParser

/// Carries the file's changes to Redis; its subcommands are one file each beside this one.
struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry the file's changes to Redis, and decide about those that did not get there.",
        discussion:
            "docs/operations.md has every field that these commands print, and what to do when something is wrong.",
        subcommands: [
            Status.self, Push.self, Run.self, Pull.self, Replay.self, Verify.self, Conflicts.self, DeadLetters.self,
            Parked.self,
        ])
}
