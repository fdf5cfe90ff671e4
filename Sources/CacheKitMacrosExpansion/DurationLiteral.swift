import SwiftSyntax

/// A duration that the source spells out, such as `.seconds(300)`, in seconds.
enum DurationLiteral {
    /// The seconds of an expression; `nil` for one that only the program knows.
    static func seconds(of expression: ExprSyntax) -> Double? {
        if let member = expression.as(MemberAccessExprSyntax.self), isDuration(member) {
            return member.declName.baseName.text == "zero" ? 0 : nil
        }
        guard let call = expression.as(FunctionCallExprSyntax.self), call.arguments.count == 1,
            let member = call.calledExpression.as(MemberAccessExprSyntax.self), isDuration(member),
            let unit = units[member.declName.baseName.text], let amount = call.arguments.first?.expression
        else { return nil }
        return number(amount).map { $0 * unit }
    }

    private static let units = [
        "seconds": 1, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9,
    ]

    /// `.seconds` or `Duration.seconds`.
    private static func isDuration(_ member: MemberAccessExprSyntax) -> Bool {
        guard let base = member.base else { return true }
        return ["Duration", "Swift.Duration"].contains(base.trimmedDescription)
    }

    private static func number(_ expression: ExprSyntax) -> Double? {
        if let prefixed = expression.as(PrefixOperatorExprSyntax.self), prefixed.operator.text == "-" {
            return number(prefixed.expression).map { -$0 }
        }
        guard expression.is(IntegerLiteralExprSyntax.self) || expression.is(FloatLiteralExprSyntax.self) else {
            return nil
        }
        return Double(expression.trimmedDescription.filter { $0 != "_" })
    }
}
