import Foundation
import Testing

/// Whoever uses the cache without `@Cached` does not pay for swift-syntax: the short form of `make consumer`.
struct ProductDependencyTests {
    /// What `swift package dump-package` says of the manifest, as far as it matters here.
    private struct Manifest: Decodable {
        struct Product: Decodable {
            let name: String
            let targets: [String]
        }

        struct Target: Decodable {
            let name: String
            let dependencies: [Dependency]
        }

        /// `{"byName": ["CacheKit", null]}`, `{"product": ["Logging", "swift-log", null, null]}`.
        struct Dependency: Decodable {
            let byName: [Unread?]?
            let target: [Unread?]?
            let product: [Unread?]?
        }

        /// A string, or a condition, which does not matter.
        struct Unread: Decodable {
            let text: String?

            init(from decoder: any Decoder) throws {
                text = try? decoder.singleValueContainer().decode(String.self)
            }
        }

        let products: [Product]
        let targets: [Target]

        /// The packages that a product's targets need, however far below.
        func packages(of product: Product) -> Set<String> {
            var packages: Set<String> = []
            var open = product.targets
            var seen: Set<String> = []
            while let name = open.popLast() {
                guard seen.insert(name).inserted, let target = targets.first(where: { $0.name == name }) else {
                    continue
                }
                for dependency in target.dependencies {
                    if let name = (dependency.byName ?? dependency.target)?.first??.text { open.append(name) }
                    if let package = dependency.product?.dropFirst().first??.text { packages.insert(package) }
                }
            }
            return packages
        }
    }

    private static func manifest() throws -> Manifest {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let scratch = FileManager.default.temporaryDirectory.appending(path: "cachekit-manifest-\(UUID())")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Not in the folder that the running `swift test` holds.
        process.arguments = [
            "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path, "dump-package",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let json = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return try JSONDecoder().decode(Manifest.self, from: json)
    }

    @Test func `no product but that of the macros needs swift-syntax`() throws {
        let manifest = try Self.manifest()
        let needy = manifest.products.filter { manifest.packages(of: $0).contains("swift-syntax") }
        #expect(needy.map(\.name) == ["CacheKitMacros"])
        let cache = try #require(manifest.products.first { $0.name == "CacheKit" })
        #expect(manifest.packages(of: cache) == ["swift-log", "swift-metrics"])
    }
}
