import ArgumentParser
import CacheKit
import CacheKitCore

extension Sync {
    /// Says how the file and Redis differ.
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare the file's rows with Redis, and change nothing.",
            discussion: """
                Versions and the last bytes of values are compared; with --open or --sample also whole values are read and \
                opened. Says which command mends what differs. Changes that wait for Redis are left out. Ctrl-C ends it after \
                the page in flight.

                Exits with 3 when something differs or it was stopped, 6 or 7 when Redis can't be used, 9 when rows of the file \
                do not authenticate.
                """)

        @Flag(name: .long, help: "Open all of what Redis holds for the file's rows.") var open = false
        @Option(name: .long, help: "Open a share of it, chosen at random: 0.05 for every twentieth.") var sample:
            Double?
        @OptionGroup var options: ComparisonOptions

        func validate() throws {
            if let sample, !(sample > 0 && sample <= 1) {
                throw ValidationError("--sample is a share, above 0 and up to 1")
            }
            if open, sample != nil { throw ValidationError("give --open or --sample") }
        }

        func run() async throws {
            let end = try await options.run { cache in try await compare(cache) }
            end.print(json: options.report.json)
            try end.check()
        }

        private func compare(_ cache: Cache) async throws -> ComparisonEnd {
            let (prefix, rate, share) = (options.prefix, options.rate, open ? 1 : sample ?? 0)
            let rowCount = try await ComparisonOptions.rowCount(cache)
            let work = PagedWork()
            return try await work.run {
                var end = ComparisonEnd()
                do throws(CacheError) {
                    work.begin("compared", total: rowCount)
                    end.rows = try await cache.compareWithRemote(
                        prefix: prefix, opening: share, rowsPerSecond: rate
                    ) { rows in
                        end.rows = rows
                        work.passed(rows.compared, done: rows.examined)
                    }
                    end.isComplete = end.rows.next == nil
                } catch {
                    end.error = error
                }
                return end
            }
        }
    }
}
