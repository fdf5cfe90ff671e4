import Foundation
import Testing

struct ExtractionTests {
    /// What is made of a page: a source file, or what the program says.
    private struct Extraction {
        let source: String
        let list: String
        let errors: String
    }

    /// The program stands beside the test bundle, as the build of the plugin left it.
    private static var executable: URL {
        get throws {
            let folder = try #require(Bundle.main.executableURL).deletingLastPathComponent()
            return try #require(
                ["ExtractBlocks-tool", "ExtractBlocks"].map { folder.appending(path: $0) }
                    .first { FileManager.default.isExecutableFile(atPath: $0.path) })
        }
    }

    private func extract(_ text: String) async throws -> Extraction {
        try await Program.withFolder { folder in
            let (list, source) = (folder.appending(path: "list.swift"), folder.appending(path: "page.swift"))
            try text.write(to: folder.appending(path: "a.md"), atomically: true, encoding: .utf8)
            let program = try await Program.run(
                Self.executable, [folder.path, list.path, "a.md", source.path], in: folder)
            #expect((program.status == 0) == program.errors.isEmpty)
            func read(_ url: URL) -> String {
                ((try? String(contentsOf: url, encoding: .utf8)) ?? "")
                    .replacingOccurrences(of: folder.path, with: "ROOT")
            }
            return Extraction(
                source: read(source), list: read(list),
                errors: program.errors.replacingOccurrences(of: folder.path, with: "ROOT"))
        }
    }

    @Test func `a block becomes a function whose lines are those of the page`() async throws {
        let made = try await extract(
            """
            # Title
            <!-- swift: run; given cache; imports CacheKitSync -->
            ```swift
            import CacheKit

            let (a, b) = try await open("cache.db", key: 1)
            print(a)  // one
            ```
            - In a list:

              ```swift
              if a {
                  b()
              }
              ```
            ```sh
            not swift
            ```
            """)
        #expect(made.errors.isEmpty)
        #expect(
            made.source == """
                // Made of a.md by ExtractBlocks.
                import CacheKitSync
                #sourceLocation(file: "ROOT/a.md", line: 4)
                import CacheKit
                #sourceLocation()

                let a_md: [DocumentedBlock] = [
                    DocumentedBlock(page: "a.md", line: 4, treatment: .run(needsRedis: false, prints: ["one"], a_md_4)),
                    DocumentedBlock(page: "a.md", line: 12, treatment: .compiled),
                ]

                @Sendable func a_md_4(_ given: Given) async throws {
                    let cache = given.cache
                    _ = cache
                #sourceLocation(file: "ROOT/a.md", line: 4)


                let (a, b) = try await open(given.file, key: 1)
                print(a)  // one
                #sourceLocation()
                    _ = a
                    _ = b
                }

                @Sendable func a_md_12(_ given: Given) async throws {
                #sourceLocation(file: "ROOT/a.md", line: 12)
                if a {
                    b()
                }
                #sourceLocation()
                }

                """)
        #expect(made.list == "let documentedBlocks: [DocumentedBlock] = [\na_md,\n].flatMap { $0 }\n")
    }

    @Test func `what is not compiled is listed with its text or its reason`() async throws {
        let made = try await extract(
            """
            <!-- swift: manifest -->
            ```swift
            .package(url: "x")
            ```
            <!-- swift: not compiled because it shows a mistake -->
            ```swift
            let a: Int = ""
            ```
            """)
        #expect(made.source.contains(#"line: 3, treatment: .manifest(".package(url: \"x\")")),"#))
        #expect(made.source.contains(#"line: 7, treatment: .exempt(reason: "it shows a mistake")),"#))
        #expect(!made.source.contains("func"))
    }

    @Test(arguments: [
        ("<!-- swift: runn -->\n```swift\n```", 1), ("<!-- swift: run; manifest -->\n```swift\n```", 1),
        ("<!-- swift: not compiled -->\n```swift\n```", 1), ("\n<!-- swift: run -->\ntext\n```swift\n```", 2),
        ("<!-- swift: run -->\n```sh\n```", 1), ("<!-- swift: run -->", 1), ("```swift\nlet a = 1", 2),
        ("<!-- swift: run -->\n```swift\nimport A\nlet store = SQLite(path: \"other.db\")\n```", 4),
    ])
    func `what nobody can follow is a problem of its line`(text: String, line: Int) async throws {
        let made = try await extract(text)
        #expect(made.errors.hasPrefix("ROOT/a.md:\(line): error: "))
        #expect(made.errors.count { $0 == "\n" } == 1)
        #expect(made.source.isEmpty)
    }
}
