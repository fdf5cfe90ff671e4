import ArgumentParser
import CacheKit

extension Sync {
    /// Changes that Redis kept refusing.
    struct DeadLetters: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dead-letters", abstract: "Look at changes that Redis kept refusing, and decide about them.",
            subcommands: [List.self, Retry.self, Drop.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "List them, one a line: number, key, what it is, when, why.")

            @OptionGroup var listing: ListingOptions

            func run() async throws { try await SetAsideList(kind: .deadLetter).print(listing) }
        }

        struct Retry: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Send them again, once what Redis refused is mended.",
                discussion: """
                    They wait again, with the version that they had: what is newer in Redis wins. With Redis given one try is \
                    made at once. One that was written over since is forgotten. Exits with 3 where a number is no dead letter's.
                    """)

            @OptionGroup var selection: SelectionOptions
            @OptionGroup var report: ReportOptions
            @OptionGroup var store: StoreOptions

            func run() async throws {
                try await SetAsideList(kind: .deadLetter).requeue("retry", selection, store, json: report.json)
            }
        }

        struct Drop: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Give them up: they are never sent.",
                discussion: """
                    The file goes on serving what it holds until it expires, is evicted, or a read asks Redis and Redis says \
                    otherwise. Asks on a terminal; needs --yes elsewhere.
                    """)

            @OptionGroup var selection: SelectionOptions
            @OptionGroup var confirmation: Confirmation
            @OptionGroup var report: ReportOptions
            @OptionGroup var store: StoreOptions

            func run() async throws {
                try await SetAsideList(kind: .deadLetter).drop(selection, confirmation, store, json: report.json)
            }
        }
    }
}
