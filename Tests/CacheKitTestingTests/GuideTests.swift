import Foundation
import Testing

/// The guide's code is what stands in `Guide/`, where it is compiled and run.
struct GuideTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func files(in folder: String, _ suffix: String) throws -> [String] {
        let folder = root.appending(path: folder)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(suffix) }.sorted()
            .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }
    }

    /// The Swift blocks of a text.
    private static func blocks(_ text: String) -> [String] {
        text.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    }

    @Test func `every block of the guide is a file that is run, and every such file is shown`() throws {
        let shown = try Self.files(in: "Sources/CacheKitTesting/CacheKitTesting.docc", ".md").flatMap(Self.blocks)
        let run = try Self.files(in: "Tests/CacheKitTestingTests/Guide", ".swift")
        #expect(run.count >= 6)
        #expect(shown.sorted() == run.sorted())
    }
}
