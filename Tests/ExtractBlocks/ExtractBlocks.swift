import Foundation

/// `ExtractBlocks ROOT LIST [PAGE SOURCE]...` makes a source file of each page, and one that lists all blocks.
@main
enum ExtractBlocks {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 2, arguments.count.isMultiple(of: 2) else {
            fail("usage: ExtractBlocks ROOT LIST [PAGE SOURCE]...")
        }
        let root = arguments[0]
        var lists: [String] = []
        for index in stride(from: 2, to: arguments.count, by: 2) {
            let path = arguments[index]
            let text = try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
            do {
                let page = try Page(path: path, text: text)
                try write(page.source(root: root), to: arguments[index + 1])
                lists.append(page.identifier)
            } catch let problem as Problem {
                fail("\(root)/\(path):\(problem.line): error: \(problem.text)")
            }
        }
        try write(
            "let documentedBlocks: [DocumentedBlock] = [\n\(lists.joined(separator: ",\n")),\n].flatMap { $0 }\n",
            to: arguments[1])
    }

    /// What has not changed is not written, or it would be compiled anew.
    private static func write(_ text: String, to path: String) throws {
        if (try? String(contentsOfFile: path, encoding: .utf8)) == text { return }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(1)
    }
}
