import CacheKit
import CacheKitMacrosExpansion
import SwiftSyntaxMacroExpansion
import SwiftSyntaxMacrosGenericTestSupport
import Synchronization
import Testing

/// Expands `@Cached` as the compiler would, and compares.
func expect(
    _ source: String, expandsTo expanded: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    assertMacroExpansion(
        source, expandedSource: expanded, macroSpecs: ["Cached": MacroSpec(type: CachedMacro.self)],
        failureHandler: { Issue.record("\($0.message)", sourceLocation: sourceLocation) })
}

/// Expands `@Cached` on what can't be cached: the diagnostics, and the source after each fix-it; no peers are made, and the
/// body is left as it is.
func expect(
    _ source: String, isRefused diagnostics: [DiagnosticSpec], fixed: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    var lines: [Substring] = []
    for line in source.split(separator: "\n") where !line.contains("@Cached(") {
        // The body comes back on lines of its own.
        guard line.hasSuffix(" }"), let brace = line.lastIndex(of: "{") else {
            lines.append(line)
            continue
        }
        let indentation = line.prefix { $0 == " " }
        lines += [line[...brace], "\(indentation)    \(line[brace...].dropFirst(2).dropLast(2))", "\(indentation)}"]
    }
    assertMacroExpansion(
        source, expandedSource: lines.joined(separator: "\n"), diagnostics: diagnostics,
        macroSpecs: ["Cached": MacroSpec(type: CachedMacro.self)], fixedSource: fixed,
        failureHandler: { Issue.record("\($0.message)", sourceLocation: sourceLocation) })
}

/// How often something was done.
final class Count: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func add() { number.withLock { $0 += 1 } }
}

/// The code of the error that a body throws; `nil` if it throws none.
func code(_ body: () async throws -> Void) async -> CacheError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? CacheError)?.code
    }
}
