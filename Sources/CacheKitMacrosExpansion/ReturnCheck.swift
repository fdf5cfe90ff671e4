import SwiftSyntax

/// What a function gives is stored and read back as its type.
enum ReturnCheck {
    static func run(_ function: FunctionDeclSyntax, _ findings: inout Findings) {
        guard let type = function.signature.returnClause?.type else {
            findings.add(nothing, at: function.name)
            return
        }
        if ["()", "Void", "Swift.Void", "Never", "Swift.Never"].contains(type.trimmedDescription) {
            findings.add(nothing, at: type)
        } else if let unfit = UnfitType(in: type) {
            findings.add(Problem("unfitReturn", unfit.asReturn), at: unfit.node)
        }
    }

    private static let nothing = Problem(
        "noValue", "@Cached needs a value to store; give the function a return type that is Codable and Sendable")
}
