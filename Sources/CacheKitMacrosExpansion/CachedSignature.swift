import SwiftSyntax
import SwiftSyntaxBuilder

/// A function that can be cached, and what the macro makes of it.
struct CachedSignature {
    private let function: FunctionDeclSyntax
    private let isInstanceMember: Bool
    /// The access that `$name` is given; empty for the default.
    private let access: String
    private var name: String { function.name.identifier?.name ?? function.name.text }

    init?(
        _ declaration: some DeclSyntaxProtocol, _ attribute: CachedAttribute?, _ node: AttributeSyntax,
        _ surroundings: [Syntax], _ findings: inout Findings
    ) {
        guard let function = declaration.as(FunctionDeclSyntax.self) else {
            findings.add(Problem("notAFunction", "@Cached is for functions; put it on a 'func'"), at: node)
            return nil
        }
        self.function = function
        let isMember = surroundings.first?.asProtocol((any DeclGroupSyntax).self) != nil
        let typeWide: [Keyword] = [.static, .class]
        isInstanceMember =
            isMember && !function.modifiers.contains { typeWide.map(TokenKind.keyword).contains($0.kind) }
        access = Self.access(of: function, in: surroundings.first)
        if !isMember && !surroundings.isEmpty {
            findings.add(
                Problem("local", "@Cached can't be on a local function; use cache.function(_:in:ttl:_:) there"),
                at: node)
        }
        if function.body == nil {
            findings.add(
                Problem("missingBody", "@Cached needs a body to cache; put it on the function that has one"), at: node)
        }
        DeclarationCheck.run(function, in: isMember ? surroundings : [], &findings)
        EffectsCheck.run(function, &findings)
        ParametersCheck.run(function, usesDefaultCache: attribute.map { $0.cache == nil } ?? false, &findings)
        ReturnCheck.run(function, &findings)
    }

    /// At most internal: a public one would need a public import of CacheKit wherever a cached function is public.
    private static func access(of function: FunctionDeclSyntax, in surroundings: Syntax?) -> String {
        let narrow: [TokenKind] = [.keyword(.private), .keyword(.fileprivate)]
        if let modifier = function.modifiers.first(where: { narrow.contains($0.kind) }) { return modifier.name.text }
        let wide: [TokenKind] = [.keyword(.public), .keyword(.package)]
        let widens = surroundings?.as(ExtensionDeclSyntax.self)?.modifiers.contains { wide.contains($0.kind) } ?? false
        return widens ? "internal" : ""
    }

    // MARK: What it becomes

    /// The function's new body.
    var lookUp: CodeBlockItemSyntax {
        "try await $\(raw: name)(\(raw: forwarded)).value()"
    }

    /// `$name`, the call's entry.
    func call(_ attribute: CachedAttribute) -> DeclSyntax {
        let arguments = parameterNames.isEmpty ? "" : ", arguments: \(parameterNames.joined(separator: ", "))"
        let ttl = attribute.ttl.map { ", ttl: \($0)" } ?? ""
        let head = Modifiers(function).ofCall(access: access) + ["func"]
        let reference = (isInstanceMember ? "self." : "") + "__uncached_\(name)"
        return """
            /// The entry of a call of `\(raw: name)`: its key; what it holds; `invalidate()`.
            \(raw: head.joined(separator: " ")) $\(raw: name)\(function.signature.parameterClause.trimmed) -> CacheKit.CachedCall<\(raw: returnType)> {
                CacheKit.CachedCall(\(raw: attribute.operation), in: \(raw: attribute.namespace), of: \(raw: attribute.cache ?? "cache")\(raw: ttl)\(raw: arguments)) {
                    try await \(raw: reference)(\(raw: forwarded))
                }
            }
            """
    }

    /// The function with the body as it was written.
    var uncached: DeclSyntax {
        let head =
            Modifiers(function).ofUncached + ["func", "__uncached_\(name)\(function.signature.trimmedDescription)"]
        return "\(raw: head.joined(separator: " ")) \(raw: Self.outdented(function.body?.trimmedDescription ?? "{}"))"
    }

    /// The text without the indentation of its last line, if every line has it: a line of a literal may have less.
    private static func outdented(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let indentation = lines.last?.prefix { $0 == " " || $0 == "\t" } ?? ""
        guard lines.dropFirst().allSatisfy({ $0.isEmpty || $0.hasPrefix(indentation) }) else { return text }
        for index in lines.indices.dropFirst() { lines[index] = lines[index].dropFirst(indentation.count) }
        return lines.joined(separator: "\n")
    }

    private var returnType: String { function.signature.returnClause?.type.trimmedDescription ?? "" }

    private var parameterNames: [String] {
        function.signature.parameterClause.parameters.map { ($0.secondName ?? $0.firstName).text }
    }

    /// The parameters as arguments of a call with the same labels.
    private var forwarded: String {
        zip(function.signature.parameterClause.parameters, parameterNames)
            .map { $0.firstName.tokenKind == .wildcard ? $1 : "\($0.firstName.text): \($1)" }
            .joined(separator: ", ")
    }
}

extension DeclModifierSyntax {
    var kind: TokenKind { name.tokenKind }
}
