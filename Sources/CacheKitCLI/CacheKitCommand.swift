import ArgumentParser
import CacheKitCore

/// The command; its subcommands are one file each in `Commands/`.
struct CacheKitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cachekit",
        abstract: "An encrypted cache that works offline and reaches Redis.",
        discussion: """
            The database comes from --database or CACHEKIT_DATABASE, Redis from --redis or CACHEKIT_REDIS_URL; a command \
            works against one of them or both. The master key comes from CACHEKIT_MASTER_KEY (older ones, decrypt-only, \
            from CACHEKIT_PREVIOUS_MASTER_KEYS) or --key-file; make one with `cachekit keys generate`.

            Values go in and out as JSON; {"$bytes": "00ff"} stands for bytes.

            Exit codes: 0 clean, 1 internal, 2 usage, 3 partial or not found, 4 conflicts left, 5 dead letters or parked changes left, 6 Redis unreachable, \
            7 key or authentication, 8 another process holds the lease, 9 store damaged or not usable.

            Shell completion: cachekit --generate-completion-script bash|zsh|fish prints a script; see your shell's manual \
            for where to put it.
            """,
        version: "cachekit \(version) (\(buildCommit))",
        subcommands: [
            Keys.self, Get.self, Set.self, Delete.self, List.self, Import.self, Export.self, Stats.self, Verify.self,
            Doctor.self,
            Backup.self, Migrate.self, Sync.self, Config.self,
        ])

    static let version = "0.1.0"
}

@main
enum EntryPoint {
    static func main() async {
        // A reader that goes away (`cachekit list | head`) is the end of output, not a crash.
        Descriptor.prepare()
        do {
            var command = try CacheKitCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            StandardOutput.flush()
        } catch {
            StandardOutput.flushAfterFailure()
            ExitStatus.exit(for: error)
        }
    }
}
