import ArgumentParser
import CacheKit
import CacheKitCore
import Foundation
import Synchronization
import UnixSignals

extension Sync {
    /// Sends changes again that Redis had before.
    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send changes of the file to Redis again, after Redis was lost, restored, moved or spoilt.",
            discussion: """
                What Redis has already stays as it is, and so does what is newer there; nothing is done twice. Ctrl-C ends it \
                after the batch in flight, and the same command goes on from there: the report is of the whole replay. Changes \
                that lost against what somebody else wrote are counted and left, unless --policy says otherwise. Values that \
                are over and keys that were read from Redis are not sent. --dry-run says what would happen and changes nothing.

                Pending changes go out with `cachekit sync push`; --state pending or all needs the lease that a pushing \
                process holds (exit code 8), and leaves them pending for the next push to settle.

                Exits with 3 when it was stopped or Redis refused keys, 4 when conflicts are left, 6 or 7 when Redis can't be \
                used, 8 when another process pushes or does the same replay, 9 when the file is damaged.
                """)

        @Option(name: .long, help: "Which changes: settled ones, pending ones, or all.")
        var state = State.settled
        @Option(name: .long, help: "Only keys of this namespace.") var namespace: String?
        @Option(name: .long, help: "Only keys like this, with * ? [a-c] and \\ as in Redis' MATCH.") var match: String?
        @Option(name: .long, help: "Only changes made at least so long ago: seconds, or 10m, 2h, 7d.")
        var olderThan: TTLArgument?
        @Option(name: .long, help: "Only changes made at most so long ago.") var newerThan: TTLArgument?
        @Option(name: .long, help: "The first change, by its number.") var fromSequence: UInt64?
        @Option(name: .long, help: "The last change, by its number.") var toSequence: UInt64?
        @Option(name: .long, help: "What happens to changes that lost: report, local-wins or remote-wins.")
        var policy = Policy.report
        @Flag(
            name: .long,
            help: "Also send values that are older than tombstones are kept where Redis has no record of their key.")
        var sendTooOld = false
        @Option(name: .long, help: "At most so many changes a second.") var rate: Int?
        @Flag(name: .long, help: "Say what would happen; change nothing.") var dryRun = false
        @Flag(name: .long, help: "Begin anew where the same replay was stopped before.") var restart = false
        @Flag(name: .long, help: "List the replays that were stopped, and do nothing.") var list = false
        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        /// Which changes, by the words of the command line.
        enum State: String, ExpressibleByArgument, CaseIterable {
            case settled, pending, all

            var selected: ReplaySelection.State {
                switch self {
                case .settled: .settled
                case .pending: .pending
                case .all: .all
                }
            }
        }

        /// What happens to those that lost, likewise.
        enum Policy: String, ExpressibleByArgument, CaseIterable {
            case report
            case localWins = "local-wins"
            case remoteWins = "remote-wins"

            var chosen: ReplayOptions.Policy {
                switch self {
                case .report: .report
                case .localWins: .localWins
                case .remoteWins: .remoteWins
                }
            }
        }

        func validate() throws {
            if let rate, rate < 1 { throw ValidationError("--rate is at least 1") }
            if let fromSequence, let toSequence, fromSequence > toSequence {
                throw ValidationError("--from-sequence lies behind --to-sequence")
            }
        }

        private var selection: ReplaySelection {
            var selection = ReplaySelection()
            selection.state = state.selected
            selection.namespace = namespace
            selection.pattern = match.map { KeyPattern($0) }
            selection.olderThan = olderThan?.duration
            selection.newerThan = newerThan?.duration
            selection.from = fromSequence.map { ChangeSequence($0) }
            selection.through = toSequence.map { ChangeSequence($0) }
            return selection
        }

        private var options: ReplayOptions {
            var options = ReplayOptions()
            options.policy = policy.chosen
            options.sendsTooOld = sendTooOld
            options.rate = rate
            options.isDryRun = dryRun
            options.restarts = restart
            return options
        }

        func run() async throws {
            let cache = try await store.open(requiringDatabase: true, creatingDatabase: false, requiringRedis: true)
            let ended = try await withCache(cache) { cache -> ReplayReport? in
                guard !list else {
                    try await listUnfinished(cache)
                    return nil
                }
                return try await replay(cache)
            }
            guard let ended else { return }
            ReplayFields(ended).report.print(json: report.json)
            try ReplayEnd(ended).check()
        }

        /// The first signal ends it after the batch in flight, the second at once.
        private func replay(_ cache: Cache) async throws -> ReplayReport? {
            let (selection, options) = (selection, options)
            let line = ReplayLine()
            let replay = Task { try await cache.replay(selection, options) { line.update($0) } }
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
            let listening = Task {
                for await _ in signals {
                    if replay.isCancelled {
                        line.end()
                        Foundation.exit(ExitStatus.partial.rawValue)
                    }
                    replay.cancel()
                }
            }
            defer {
                listening.cancel()
                line.end()
            }
            return try await replay.value
        }

        private func listUnfinished(_ cache: Cache) async throws {
            for unfinished in try await cache.unfinishedReplays() {
                let fields = ReplayFields(unfinished)
                if report.json {
                    fields.report.print(json: true)
                } else {
                    StandardOutput.write(fields.line)
                }
            }
        }
    }
}

/// The progress of a replay, drawn from the engine's tasks; the rate is that of this process.
private final class ReplayLine: Sendable {
    private let progress = Mutex<Progress?>(nil)

    func update(_ report: ReplayReport) {
        let total = Int(report.last.number - report.first.number + 1)
        let done = Int(report.position.number - report.first.number + 1)
        let examined = report.counts.examined
        progress.withLock { progress in
            var line =
                progress
                ?? Progress(
                    report.isDryRun ? "weighed" : "replayed", total: total, countBefore: examined, doneBefore: done)
            line.update(examined, done: done)
            progress = line
        }
    }

    func end() { progress.withLock { $0?.end() } }
}
