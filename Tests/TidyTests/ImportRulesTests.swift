import Foundation
import Testing

/// The rules of `docs/architecture.md` about who may import whom, and about what needs a reason beside it.
struct ImportRulesTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private struct SourceFile {
        let path: String
        let lines: [Substring]
        var module: String { String(path.split(separator: "/")[1]) }
        /// Plain string work: a regular expression over every line takes seconds in a debug build.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position <= 2, position + 1 < words.count else {
                    return nil
                }
                let attributes = words[..<position]
                guard attributes.allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal"].contains($0) })
                else {
                    return nil
                }
                return words.last.map { String($0.prefix { $0 != "." }) }
            }
        }
    }

    private static func sources() throws -> [SourceFile] {
        let folder = root.appending(path: "Sources")
        let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return try files.filter { $0.hasSuffix(".swift") }.sorted().map { name in
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            return SourceFile(
                path: "Sources/\(name)", lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    /// What each module may import besides the standard library and the platform's C library.
    private static let allowed: [String: Set<String>] = [
        "CacheKitCore": ["COpenSSL", "CLZ4", "CXXHash"],
        "CacheKit": ["CacheKitCore", "Logging", "Metrics"],
        "CacheKitSync": ["CacheKit", "CacheKitCore", "Logging"],
        "CacheKitSQLite": ["CacheKit", "CacheKitCore", "CSQLite", "Migrations", "Logging"],
        "CacheKitRedis": ["CacheKit", "CacheKitCore", "CHiredis", "COpenSSL", "Logging", "DequeModule"],
        "CacheKitSettings": [
            "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync", "Logging",
        ],
        "CacheKitTesting": ["CacheKit", "CacheKitCore", "CacheKitSync", "COpenSSL"],
        "CacheKitMacros": ["CacheKit"],
        "CacheKitMacrosExpansion": [
            "SwiftDiagnostics", "SwiftParser", "SwiftSyntax", "SwiftSyntaxBuilder", "SwiftSyntaxMacros",
        ],
        "CacheKitMacrosPlugin": ["CacheKitMacrosExpansion", "SwiftCompilerPlugin", "SwiftSyntax", "SwiftSyntaxMacros"],
        "CacheKitCLI": [
            "CacheKit", "CacheKitCore", "CacheKitSync", "CacheKitSQLite", "CacheKitRedis", "CacheKitSettings",
            "ArgumentParser", "Logging",
            "ServiceLifecycle", "UnixSignals", "Foundation",
        ],
    ]
    private static let always: Set<String> = ["Synchronization", "Glibc", "Musl", "Darwin"]
    /// The only files of the libraries that may import Foundation.
    private static let adapters: Set<String> = [
        "Sources/CacheKitCore/MessagePack/MessagePack+Foundation.swift", "Sources/CacheKitTesting/RedisServer.swift",
    ]

    @Test func `modules import only what the architecture allows`() throws {
        let sources = try Self.sources()
        #expect(sources.count > 50)
        for file in sources {
            let allowed = try #require(Self.allowed[file.module], "\(file.path) is in an unknown module")
            for name in file.imports where !Self.always.contains(name) && !allowed.contains(name) {
                let isAdapter = name.hasPrefix("Foundation") && Self.adapters.contains(file.path)
                #expect(isAdapter, "\(file.path) may not import \(name)")
            }
        }
    }

    @Test(arguments: ["CSQLite", "CHiredis", "CLZ4", "CXXHash"])
    func `a C module is imported by few files, which wrap it`(module: String) throws {
        let users = try Self.sources().filter { $0.imports.contains(module) }.map(\.path)
        #expect((1...6).contains(users.count), "\(module): \(users)")
    }

    @Test func `what is unchecked or can trap has its reason beside it`() throws {
        let risky = ["@unchecked Sendable", "try!", "fatalError(", "nonisolated(unsafe)", "unsafeBitCast", "as! "]
        for file in try Self.sources() {
            for (index, line) in file.lines.enumerated() where risky.contains(where: line.contains) {
                if line.trimmingCharacters(in: .whitespaces).hasPrefix("//") { continue }
                // The reason stands on the line, or in a comment just above the declaration.
                let context = file.lines[max(0, index - 4)...index]
                #expect(context.contains { $0.contains("//") }, "\(file.path):\(index + 1) gives no reason")
            }
        }
    }

    @Test func `most files hold one concept`() throws {
        let long = try Self.sources().filter { $0.lines.count > 320 }.map { "\($0.path) (\($0.lines.count))" }
        #expect(long.isEmpty)
    }

    @Test func `the manifest has no unsafe flags, which would make the package unusable as a dependency`() throws {
        let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        #expect(!manifest.contains("unsafeFlags("))
    }
}
