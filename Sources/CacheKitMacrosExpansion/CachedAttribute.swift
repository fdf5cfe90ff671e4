import SwiftParser
import SwiftSyntax

/// The arguments of `@Cached`, checked as far as the source tells.
struct CachedAttribute {
    /// The literals and expressions as they are written.
    let operation: String
    let namespace: String
    let ttl: String?
    /// `nil` for whatever `cache` means there.
    let cache: String?

    init?(_ node: AttributeSyntax, _ findings: inout Findings) {
        let arguments = node.arguments?.as(LabeledExprListSyntax.self) ?? []
        func argument(_ label: String?) -> ExprSyntax? { arguments.first { $0.label?.text == label }?.expression }
        guard let operation = argument(nil), let namespace = argument("namespace") else {
            // The compiler asks for what is missing itself.
            return nil
        }
        Self.check(operation, "operation", &findings)
        Self.check(namespace, "namespace", &findings)
        self.operation = operation.trimmedDescription
        self.namespace = namespace.trimmedDescription
        ttl = argument("ttl").flatMap { Self.checked(ttl: $0, &findings) }
        cache = argument("cache").flatMap(Self.cache)
    }

    private static func check(_ name: ExprSyntax, _ role: String, _ findings: inout Findings) {
        guard let literal = name.as(StringLiteralExprSyntax.self) else {
            findings.add(
                Problem(
                    "notALiteral", "the \(role) must be a string literal, so that it is checked when this is built"),
                at: name)
            return
        }
        guard let text = literal.representedLiteralValue else {
            findings.add(
                Problem("notALiteral", "the \(role) must be a string literal without interpolation"), at: name)
            return
        }
        if let problem = InteropName.problem(with: text, isNamespace: role == "namespace") {
            findings.add(Problem("invalidName", "the \(role) \(problem)"), at: name)
        }
    }

    private static func checked(ttl: ExprSyntax, _ findings: inout Findings) -> String? {
        if ttl.is(NilLiteralExprSyntax.self) { return nil }
        // Ten years of 365 days, as `CacheConfiguration.maximumTTL`.
        if let seconds = DurationLiteral.seconds(of: ttl), seconds < 1e-3 || seconds > 3650 * 86_400 {
            findings.add(
                Problem(
                    "invalidTTL", "a TTL lies between one millisecond and ten years; leave it out for the namespace's"),
                at: ttl)
        }
        return ttl.trimmedDescription
    }

    /// A key path's property is read from `self`; any other expression is taken as it is.
    private static func cache(_ expression: ExprSyntax) -> String? {
        if expression.is(NilLiteralExprSyntax.self) { return nil }
        guard let path = expression.as(KeyPathExprSyntax.self) else { return expression.trimmedDescription }
        return "self\(path.components.trimmedDescription)"
    }
}
