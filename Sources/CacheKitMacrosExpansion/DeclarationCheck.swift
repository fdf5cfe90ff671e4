import SwiftSyntax

/// Kinds of functions that can't be cached.
enum DeclarationCheck {
    /// - Parameter surroundings: From the innermost to the outermost.
    static func run(_ function: FunctionDeclSyntax, in surroundings: [Syntax], _ findings: inout Findings) {
        if function.name.identifier == nil {
            findings.add(
                Problem("operator", "@Cached can't be on an operator; let the operator call a cached function"),
                at: function.name)
        }
        let clauses = [function.genericParameterClause.map(Syntax.init), function.genericWhereClause.map(Syntax.init)]
        if let clause = clauses.compactMap(\.self).first {
            findings.add(
                Problem(
                    "generic",
                    "@Cached can't be on a generic function: types are not part of a key; write one function per type"),
                at: clause)
        }
        if surroundings.contains(where: isGeneric) {
            findings.add(
                Problem(
                    "genericType",
                    "@Cached can't be in a generic type: types are not part of a key, so its kinds would share entries; use cache.function(_:in:ttl:_:)"
                ),
                at: function.name)
        }
        for modifier in function.modifiers {
            switch modifier.kind {
            case .keyword(.mutating), .keyword(.consuming), .keyword(.borrowing):
                findings.add(
                    Problem(
                        "ownership",
                        "@Cached can't be on a '\(modifier.name.text)' method: a load outlives the call; remove the modifier"
                    ),
                    at: modifier, "remove '\(modifier.name.text)'", replace: function.modifiers,
                    with: function.modifiers.filter { $0.id != modifier.id })
            case .keyword(.override):
                findings.add(
                    Problem("override", "@Cached can't be on an override; put it on a method that the override calls"),
                    at: modifier)
            case .keyword(.distributed):
                findings.add(
                    Problem(
                        "distributed",
                        "@Cached can't be on a distributed method; put it on a method that this one calls"),
                    at: modifier)
            default: break
            }
        }
    }

    /// Whether a surrounding type says that it is generic; an extension can only say so by its requirements.
    private static func isGeneric(_ surrounding: Syntax) -> Bool {
        if let parent = surrounding.as(ExtensionDeclSyntax.self) {
            // What is the same as one type is one kind, and Self is a matter of protocols.
            return parent.genericWhereClause?.requirements.contains {
                $0.requirement.as(ConformanceRequirementSyntax.self).map { $0.leftType.trimmedDescription != "Self" }
                    ?? false
            } ?? false
        }
        return surrounding.asProtocol((any WithGenericParametersSyntax).self)?.genericParameterClause != nil
    }
}
