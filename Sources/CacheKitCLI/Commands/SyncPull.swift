import ArgumentParser
import CacheKit
import CacheKitCore

extension Sync {
    /// Takes in what is newer in Redis.
    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare the file's rows with Redis, take in what is newer there and drop what is gone.",
            discussion: """
                Changes that wait for Redis stay as they are. What Redis turns out to be behind on is sent to it again, under \
                the version that it has. Keys that are not held here are not pulled, unless --pin says so: before a node goes \
                offline. Ctrl-C ends it after the page in flight; what was pulled stays.

                Exits with 3 when it was stopped, newer values do not open, or Redis may have lost rows; 6 or 7 when Redis can't \
                be used, 9 when rows of the file do not authenticate.
                """)

        @Option(
            name: .long, help: "Also pull keys of Redis that begin so, though they are not held here; repeat for more.")
        var pin: [String] = []
        @OptionGroup var options: ComparisonOptions

        func validate() throws {
            if pin.contains("") { throw ValidationError("--pin needs the beginning of a key") }
        }

        func run() async throws {
            let end = try await options.run { cache in try await pull(cache) }
            end.print(json: options.report.json)
            try end.check()
        }

        private func pull(_ cache: Cache) async throws -> PullEnd {
            let (prefix, rate, pins) = (options.prefix, options.rate, pin)
            let rowCount = try await ComparisonOptions.rowCount(cache)
            let work = PagedWork()
            return try await work.run {
                var end = PullEnd(pinned: pins.isEmpty ? nil : Prefetch())
                do throws(CacheError) {
                    work.begin("compared", total: rowCount)
                    end.rows = try await cache.reconcile(prefix: prefix, rowsPerSecond: rate) { rows in
                        end.rows = rows
                        work.passed(rows.compared, done: rows.examined)
                    }
                    if end.rows.next == nil, end.rows.undecided > 0, !work.isStopping {
                        // Now it can be told whether Redis has lost rows, or never had what replaced them.
                        try await cache.compareMarks()
                        let first = end.rows
                        work.begin("compared", total: rowCount)
                        end.rows = first.after(
                            try await cache.reconcile(prefix: prefix, rowsPerSecond: rate) { rows in
                                end.rows = first.after(rows)
                                work.passed(rows.compared, done: rows.examined)
                            })
                    }
                    end.areRowsDone = end.rows.next == nil
                    for pin in pins where end.areRowsDone {
                        let before = end.pinned ?? Prefetch()
                        end.pinned?.isComplete = false
                        guard !work.isStopping else { break }
                        work.begin("listed", total: nil)
                        try await cache.prefetch(prefix: pin, keysPerSecond: rate) { keys in
                            end.pinned = before.adding(keys)
                            work.passed(keys.listed, done: keys.listed)
                        }
                    }
                } catch {
                    end.error = error
                }
                return end
            }
        }
    }
}

extension Prefetch {
    /// The same with what was done for other keys after that.
    fileprivate func adding(_ other: Prefetch) -> Prefetch {
        var sum = other
        sum.listed += listed
        sum.pulled += pulled
        sum.unopened += unopened
        return sum
    }
}
