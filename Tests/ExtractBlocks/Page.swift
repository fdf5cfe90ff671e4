/// A page of documentation and its Swift blocks.
struct Page {
    /// From the package's folder.
    let path: String
    private(set) var blocks: [Block] = []

    /// Finds the blocks; a marker that means nothing, or that no block follows, is a problem of the page.
    init(path: String, text: String) throws(Problem) {
        self.path = path
        var markers: [(text: String, line: Int)] = []
        var open: Block?
        var fence = ""
        var indent = 0
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = String(line.drop { $0 == " " })
            if !fence.isEmpty {
                if trimmed.hasPrefix(fence), trimmed.allSatisfy({ $0 == "`" || $0 == " " }) {
                    if let block = open {
                        try block.check()
                        blocks.append(block)
                    }
                    (open, fence) = (nil, "")
                } else {
                    open?.code.append(String(line.dropFirst(min(indent, line.prefix { $0 == " " }.count))))
                }
                continue
            }
            if trimmed.hasPrefix("```") {
                fence = String(trimmed.prefix { $0 == "`" })
                indent = line.count - trimmed.count
                let language = trimmed.dropFirst(fence.count).split(separator: " ").first
                if language?.lowercased() == "swift" {
                    var block = Block(line: index + 2, code: [])
                    for marker in markers { try block.apply(marker.text, line: marker.line) }
                    markers = []
                    open = block
                }
            }
            if let marker = Self.marker(trimmed) {
                markers.append((marker, index + 1))
            } else if let marker = markers.first, !trimmed.isEmpty {
                throw Problem(line: marker.line, text: "no Swift block follows this marker")
            }
        }
        if !fence.isEmpty { throw Problem(line: open?.line ?? 1, text: "a block has no end") }
        if let marker = markers.first { throw Problem(line: marker.line, text: "no Swift block follows this marker") }
    }

    private static func marker(_ line: String) -> String? {
        let opening = "<!-- swift:"
        guard line.hasPrefix(opening), line.hasSuffix("-->") else { return nil }
        return String(line.dropFirst(opening.count).dropLast(3))
    }

    /// What the tests call what is made of the page.
    var identifier: String { String(path.map { $0.isLetter || $0.isNumber ? $0 : "_" }) }
}
