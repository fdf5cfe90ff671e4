import Synchronization
import Testing

/// A Swift block of a page, as the build extracted it.
struct DocumentedBlock: Sendable, CustomTestStringConvertible {
    /// What is done with it; where code is compiled, that is so once these tests are built.
    enum Treatment: Sendable {
        case compiled
        case run(needsRedis: Bool, prints: [String], @Sendable (Given) async throws -> Void)
        case manifest(String)
        case exempt(reason: String)
    }

    let page: String
    let line: Int
    let treatment: Treatment

    var testDescription: String { "\(page):\(line)" }
}

/// What the running block has printed.
final class Printed: Sendable {
    @TaskLocal static var current: Printed?
    private let texts = Mutex<[String]>([])

    var lines: [String] { texts.withLock { $0 } }

    func add(_ text: String) { texts.withLock { $0.append(text) } }
}

/// In the place of the standard library's, for blocks: the test compares what they print with what the page says.
func print(_ items: Any...) {
    let text = items.map { "\($0)" }.joined(separator: " ")
    if let printed = Printed.current { printed.add(text) } else { Swift.print(text) }
}
