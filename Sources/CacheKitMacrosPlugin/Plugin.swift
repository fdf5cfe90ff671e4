import CacheKitMacrosExpansion
import SwiftCompilerPlugin
import SwiftSyntax
import SwiftSyntaxMacros

/// The program that the compiler asks for expansions.
@main
struct Plugin: CompilerPlugin {
    let providingMacros: [any Macro.Type] = [Cached.self]
}

/// `@Cached` under the name of this module, where the compiler looks for it; what it does is in a library, because whatever
/// tests a macro's target itself is built twice, with all that it depends on.
struct Cached: PeerMacro, BodyMacro {
    static func expansion(
        of node: AttributeSyntax, providingPeersOf declaration: some DeclSyntaxProtocol,
        in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        try CachedMacro.expansion(of: node, providingPeersOf: declaration, in: context)
    }

    static func expansion(
        of node: AttributeSyntax,
        providingBodyFor declaration: some DeclSyntaxProtocol & WithOptionalCodeBlockSyntax,
        in context: some MacroExpansionContext
    ) throws -> [CodeBlockItemSyntax] {
        try CachedMacro.expansion(of: node, providingBodyFor: declaration, in: context)
    }
}
