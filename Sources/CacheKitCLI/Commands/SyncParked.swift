import ArgumentParser
import CacheKit

extension Sync {
    /// Changes set aside until somebody decides.
    struct Parked: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Look at changes that were set aside until somebody decides, and decide about them.",
            discussion: """
                tooOld: older than tombstones are kept, so that nothing tells whether the key was deleted since. needsKey: \
                whoever pushed had no key to open the value with.
                """,
            subcommands: [List.self, Send.self, Drop.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "List them, one a line: number, key, what it is, when, why.")

            @OptionGroup var listing: ListingOptions

            func run() async throws { try await SetAsideList(kind: .parked).print(listing) }
        }

        struct Send: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Send them, however old they are.",
                discussion: """
                    They wait again, with the version that they had: what is newer in Redis wins, and a value that is there \
                    without a version is treated by the namespace's policy. A key that was deleted longer ago than tombstones \
                    are kept comes back. With Redis given one try is made at once.
                    """)

            @OptionGroup var selection: SelectionOptions
            @OptionGroup var report: ReportOptions
            @OptionGroup var store: StoreOptions

            func run() async throws {
                try await SetAsideList(kind: .parked).requeue("send", selection, store, json: report.json)
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
                try await SetAsideList(kind: .parked).drop(selection, confirmation, store, json: report.json)
            }
        }
    }
}
