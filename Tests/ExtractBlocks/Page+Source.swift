extension Page {
    /// The page's blocks as a source file: a function each, and a list of them.
    ///
    /// A block's imports hold for the whole page, as its readers take it.
    func source(root: String) -> String {
        var lines = ["// Made of \(path) by ExtractBlocks."]
        for block in blocks where block.isSource {
            for module in block.imports { lines.append("import \(module)") }
            for (index, line) in block.code.enumerated() where line.isImport {
                lines += ["#sourceLocation(file: \"\(root)/\(path)\", line: \(block.line + index))", line]
                lines.append("#sourceLocation()")
            }
        }
        lines.append("\nlet \(identifier): [DocumentedBlock] = [")
        for block in blocks {
            lines.append("    DocumentedBlock(page: \"\(path)\", line: \(block.line), \(treatment(of: block))),")
        }
        lines.append("]")
        for block in blocks where block.isSource { lines += definition(of: block, root: root) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func treatment(of block: Block) -> String {
        switch block.treatment {
        case .compiled, .fileScope: "treatment: .compiled"
        case .run:
            "treatment: .run(needsRedis: \(block.needsRedis), prints: \(block.printed), \(function(block)))"
        case .manifest: "treatment: .manifest(\(block.code.joined(separator: "\n").debugDescription))"
        case .exempt(let reason): "treatment: .exempt(reason: \(reason.debugDescription))"
        }
    }

    private func function(_ block: Block) -> String { "\(identifier)_\(block.line)" }

    private func definition(of block: Block, root: String) -> [String] {
        let code = block.code.map { line in
            if line.isImport { return "" }
            return block.treatment == .run ? TestDoubles.replacing(line) : line
        }
        let located = ["#sourceLocation(file: \"\(root)/\(path)\", line: \(block.line))"] + code + ["#sourceLocation()"]
        if block.treatment == .fileScope { return [""] + located }
        return ["", "@Sendable func \(function(block))(_ given: Given) async throws {"]
            + block.given.flatMap { ["    let \($0) = given.\($0)", "    _ = \($0)"] }
            + located
            // A block need not use all that it declares.
            + block.declaredNames.map { "    _ = \($0)" } + ["}"]
    }
}

extension Block {
    fileprivate var isSource: Bool {
        switch treatment {
        case .compiled, .run, .fileScope: true
        case .manifest, .exempt: false
        }
    }

    fileprivate var needsRedis: Bool { code.contains { $0.contains("\"redis://") } || given.contains("redis") }

    /// What the comments behind `print` say, in order.
    var printed: [String] {
        code.compactMap { line in
            guard line.contains("print("), let comment = line.firstRange(of: "  // ") else { return nil }
            return String(line[comment.upperBound...])
        }
    }

    /// The constants and variables that it declares outside of every brace.
    var declaredNames: [String] {
        code.flatMap { line -> [Substring] in
            guard line.hasPrefix("let ") || line.hasPrefix("var ") else { return [] }
            let rest = line.dropFirst(4)
            if rest.hasPrefix("(") {
                return rest.dropFirst().prefix { $0 != ")" }.split { $0 == "," || $0 == " " }.filter { $0 != "_" }
            }
            return [rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }].filter { $0 != "_" }
        }.map(String.init)
    }
}

extension String {
    fileprivate var isImport: Bool { hasPrefix("import ") }
}
