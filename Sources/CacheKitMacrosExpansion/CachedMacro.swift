package import SwiftSyntax
package import SwiftSyntaxMacros

/// `@Cached`: beside the function, `$name`, which names a call's entry, and the body as a function of its own; in the function,
/// the look-up.
///
/// The body moves, because what loads a value outlives the call and is `@Sendable`: as a method it keeps its isolation, its
/// implicit `self` and its type, which no closure around it would. What is wrong is told by the role of the peers alone; the
/// other one then leaves the body as it is.
package enum CachedMacro: PeerMacro, BodyMacro {
    package static func expansion(
        of node: AttributeSyntax, providingPeersOf declaration: some DeclSyntaxProtocol,
        in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        var findings = Findings()
        let attribute = CachedAttribute(node, &findings)
        let signature = CachedSignature(declaration, attribute, node, context.lexicalContext, &findings)
        for diagnostic in findings.diagnostics { context.diagnose(diagnostic) }
        guard let attribute, let signature, findings.diagnostics.isEmpty else { return [] }
        return [signature.call(attribute), signature.uncached]
    }

    package static func expansion(
        of node: AttributeSyntax,
        providingBodyFor declaration: some DeclSyntaxProtocol & WithOptionalCodeBlockSyntax,
        in context: some MacroExpansionContext
    ) throws -> [CodeBlockItemSyntax] {
        var findings = Findings()
        let attribute = CachedAttribute(node, &findings)
        let signature = CachedSignature(declaration, attribute, node, context.lexicalContext, &findings)
        guard let signature, findings.diagnostics.isEmpty else {
            return declaration.body.map { Array($0.statements) } ?? []
        }
        return [signature.lookUp]
    }
}
