import CacheKit
import CacheKitTesting
import Foundation
import Testing

struct DocumentationTests {
    private static let runnable = documentedBlocks.filter { if case .run = $0.treatment { true } else { false } }
    private static let manifests = documentedBlocks.filter { if case .manifest = $0.treatment { true } else { false } }

    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The fences of all pages, counted otherwise than the build finds them.
    private static func fences() throws -> [String: Int] {
        let files = FileManager.default
        var pages = try files.contentsOfDirectory(atPath: root.path)
        for folder in ["docs", "Sources"] {
            let names = files.enumerator(atPath: root.appending(path: folder).path)?.compactMap { $0 as? String } ?? []
            pages += names.map { "\(folder)/\($0)" }
        }
        var fences: [String: Int] = [:]
        // Those articles are held by the tests of CacheKitTesting.
        for page in pages where page.hasSuffix(".md") && !page.hasPrefix("Sources/CacheKitTesting/") {
            let text = try String(contentsOf: root.appending(path: page), encoding: .utf8)
            let count = text.components(separatedBy: "\n").count {
                $0.trimmingCharacters(in: .whitespaces).lowercased().hasPrefix("```swift")
            }
            if count > 0 { fences[page] = count }
        }
        return fences
    }

    @Test func `every Swift block is compiled, but for those that say why not`() throws {
        let blocks = Dictionary(grouping: documentedBlocks, by: \.page).mapValues(\.count)
        #expect(try blocks == Self.fences())
        var exempt: [String] = []
        for block in documentedBlocks {
            if case .exempt(let reason) = block.treatment { exempt.append("\(block.testDescription): \(reason)") }
        }
        Swift.print(
            "\(documentedBlocks.count) Swift blocks: \(Self.runnable.count) run, \(Self.manifests.count) of a manifest,",
            "\(exempt.count) not compiled\(exempt.map { "\n  " + $0 }.joined())")
        #expect(Self.runnable.count >= 11)
        #expect(exempt.isEmpty, "no page has a reason yet; name it here")
    }

    @Test func `what the README shows one after the other fits into one program`() throws {
        let text = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "\n```").first
        }
        // Until the next block that makes a cache of its own.
        var declared: [String: Int] = [:]
        var names = 0
        for (index, block) in blocks.enumerated() {
            if block.contains("let cache = ") { declared = [:] }
            for match in block.matches(of: /cache\.(?:function\("[a-z_]+", in: |namespace\()"([a-z]+)"/) {
                let name = String(match.1)
                #expect(
                    declared[name, default: index] == index,
                    "\(name) is declared twice, for the second time in\n\(block)")
                declared[name] = index
                names += 1
            }
        }
        #expect(names >= 5)
    }

    @Test(arguments: runnable)
    func `a block does what its page says`(block: DocumentedBlock) async throws {
        guard case .run(let needsRedis, let expected, let body) = block.treatment else { return }
        try #require(!needsRedis || RedisServer.isInstalled, "install redis-server: make deps")
        let server = needsRedis ? try await RedisServer.start() : nil
        defer { server?.stop() }
        let (cache, _) = try await Cache.testing()
        let printed = Printed()
        try await Program.withFolder { folder in
            let given = Given(
                cache: cache, folder: folder.path, redis: server?.url ?? "redis://localhost",
                key: try MasterKey.generate())
            try await Printed.$current.withValue(printed) { try await body(given) }
        }
        #expect(printed.lines == expected)
    }

    @Test(arguments: manifests)
    func `the package manager reads what a page shows of a manifest`(block: DocumentedBlock) async throws {
        guard case .manifest(let code) = block.treatment else { return }
        let line = code.split(separator: "\n").filter { !$0.hasPrefix("//") }.joined(separator: "\n")
            .replacingOccurrences(of: "<this repository>", with: "https://example.org/cachekit")
        let manifest = """
            // swift-tools-version: 6.2
            import PackageDescription
            let package = Package(name: "consumer", dependencies: [\(line)])
            """
        try await Program.withFolder { folder in
            try manifest.write(to: folder.appending(path: "Package.swift"), atomically: true, encoding: .utf8)
            let program = try await Program.run(
                URL(filePath: "/usr/bin/env"), ["swift", "package", "--package-path", folder.path, "dump-package"],
                in: folder)
            #expect(program.status == 0, "\(program.errors)")
        }
    }
}
