import SwiftDiagnostics
import SwiftSyntax

/// What is wrong with a use of the macro, in the order of the source's checks.
struct Findings {
    private(set) var diagnostics: [Diagnostic] = []

    mutating func add(_ problem: Problem, at node: some SyntaxProtocol) {
        diagnostics.append(Diagnostic(node: node, message: problem))
    }

    /// A problem that replacing a node mends.
    mutating func add(
        _ problem: Problem, at node: some SyntaxProtocol, _ mending: String, replace old: some SyntaxProtocol,
        with new: some SyntaxProtocol
    ) {
        let change = FixIt.Change.replace(oldNode: Syntax(old), newNode: Syntax(new))
        let fixIt = FixIt(message: Mending(message: mending, problem: problem), changes: [change])
        diagnostics.append(Diagnostic(node: node, message: problem, fixIts: [fixIt]))
    }
}

/// A kind of problem, and its one line: what is wrong, and what to do about it.
struct Problem: DiagnosticMessage {
    let name: String
    let message: String

    init(_ name: String, _ message: String) {
        self.name = name
        self.message = message
    }

    var diagnosticID: MessageID { MessageID(domain: "CacheKitMacros", id: name) }
    var severity: DiagnosticSeverity { .error }
}

/// What a fix-it does.
private struct Mending: FixItMessage {
    let message: String
    let problem: Problem

    var fixItID: MessageID { problem.diagnosticID }
}
