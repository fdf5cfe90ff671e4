import SwiftSyntax

/// Of every parameter a part of the key is made.
enum ParametersCheck {
    static func run(_ function: FunctionDeclSyntax, usesDefaultCache: Bool, _ findings: inout Findings) {
        for parameter in function.signature.parameterClause.parameters {
            let name = parameter.secondName ?? parameter.firstName
            if name.tokenKind == .wildcard {
                findings.add(
                    Problem("unnamed", "a parameter without a name can't be part of a key; name it, or remove it"),
                    at: parameter)
            }
            if usesDefaultCache && name.identifier?.name == "cache" {
                findings.add(
                    Problem(
                        "hidesCache",
                        "a parameter named 'cache' hides the cache that is used; rename it, or say which with 'cache:'"),
                    at: name)
            }
            check(parameter, &findings)
        }
    }

    private static func check(_ parameter: FunctionParameterSyntax, _ findings: inout Findings) {
        if let ellipsis = parameter.ellipsis {
            let array = ArrayTypeSyntax(element: parameter.type.trimmed)
            findings.add(
                Problem("variadic", "a variadic parameter can't be passed on; take an array"), at: ellipsis,
                "take an array", replace: parameter,
                with: parameter.with(\.ellipsis, nil).with(\.type, TypeSyntax(array)))
        }
        if let unfit = UnfitType(in: parameter.type) {
            findings.add(Problem("unfitParameter", unfit.asParameter), at: unfit.node)
        } else if let attributed = parameter.type.as(AttributedTypeSyntax.self),
            let specifier = attributed.specifiers.first
        {
            let word = specifier.trimmedDescription
            findings.add(
                Problem("specifier", "a parameter that is '\(word)' can't be part of a key; take a plain value"),
                at: specifier, "remove '\(word)'", replace: parameter.type, with: attributed.baseType)
        }
    }
}
