import Foundation
import PackagePlugin

/// Makes a source file of the Swift blocks of each page, so that a block which does not compile breaks the build of the tests.
@main
struct DocumentedBlocks: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let root = context.package.directoryURL
        let pages = try pages(of: root)
        let sources = pages.map { page in
            let name = page.map { $0.isLetter || $0.isNumber ? $0 : "_" }
            return context.pluginWorkDirectoryURL.appending(path: String(name) + ".swift")
        }
        let list = context.pluginWorkDirectoryURL.appending(path: "DocumentedBlocks.swift")
        return [
            .buildCommand(
                displayName: "Extract the Swift blocks of \(pages.count) pages",
                executable: try context.tool(named: "ExtractBlocks").url,
                arguments: [root.path, list.path] + zip(pages, sources).flatMap { [$0, $1.path] },
                inputFiles: pages.map { root.appending(path: $0) },
                outputFiles: [list] + sources)
        ]
    }

    /// The pages with Swift blocks: at the top, in docs/, and the articles of the libraries, but for those of CacheKitTesting, whose
    /// blocks are files of its tests.
    private func pages(of root: URL) throws -> [String] {
        let files = FileManager.default
        let top = try files.contentsOfDirectory(atPath: root.path)
        let docs = files.enumerator(atPath: root.appending(path: "docs").path)?.compactMap { $0 as? String } ?? []
        let sources = files.enumerator(atPath: root.appending(path: "Sources").path)?.compactMap { $0 as? String } ?? []
        let articles = sources.filter { $0.contains(".docc/") && !$0.hasPrefix("CacheKitTesting/") }
        return try (top + docs.map { "docs/\($0)" } + articles.map { "Sources/\($0)" }).sorted().filter { path in
            guard path.hasSuffix(".md") else { return false }
            return try String(contentsOf: root.appending(path: path), encoding: .utf8).contains("```swift")
        }
    }
}
