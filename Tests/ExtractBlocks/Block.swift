/// A Swift block of a page, and what its marker says.
///
/// A marker is a comment above the block, which no reader sees: `<!-- swift: run; given cache users -->`. Its parts are
///
/// - `run`: the tests run it; what it prints is compared with the comments behind `print`, two blanks before them.
/// - `given NAME ...`: it uses these of `Given` without declaring them.
/// - `imports MODULE ...`: the page's text names these modules, the block does not.
/// - `file scope`: its declarations do not stand in a function, such as those that a macro is attached to.
/// - `manifest`: dependencies of a Package.swift; the package manager reads it.
/// - `not compiled because REASON`.
struct Block: Equatable {
    enum Treatment: Equatable {
        case compiled
        case run
        case fileScope
        case manifest
        case exempt(reason: String)
    }

    /// The line of the page that its first line of code stands on.
    var line: Int
    var code: [String]
    var treatment = Treatment.compiled
    var given: [String] = []
    var imports: [String] = []

    mutating func apply(_ marker: String, line: Int) throws(Problem) {
        for part in marker.split(separator: ";") {
            let words = part.split(separator: " ").map(String.init)
            let treatment: Treatment
            switch words.first {
            case "given" where words.count > 1:
                given += words.dropFirst()
                continue
            case "imports" where words.count > 1:
                imports += words.dropFirst()
                continue
            case "run" where words.count == 1: treatment = .run
            case "file" where words == ["file", "scope"]: treatment = .fileScope
            case "manifest" where words.count == 1: treatment = .manifest
            case "not" where words.starts(with: ["not", "compiled", "because"]) && words.count > 3:
                treatment = .exempt(reason: words.dropFirst(3).joined(separator: " "))
            default: throw Problem(line: line, text: "'\(words.joined(separator: " "))' is no part of a marker")
            }
            guard self.treatment == .compiled else {
                throw Problem(line: line, text: "a block is treated in one way")
            }
            self.treatment = treatment
        }
    }

    /// A block that runs stays within the test.
    func check() throws(Problem) {
        guard treatment == .run, let index = code.firstIndex(where: TestDoubles.reachesOutside) else { return }
        throw Problem(
            line: line + index,
            text: "a block that runs names \"cache.db\", \"redis://localhost\" and .environment, or nothing outside")
    }
}

/// What is wrong with a page.
struct Problem: Error, Equatable {
    var line: Int
    var text: String
}
