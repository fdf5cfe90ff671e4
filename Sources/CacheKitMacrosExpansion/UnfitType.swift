import SwiftSyntax

/// A type, or a part of one, that has no form on the wire, as far as the source tells.
struct UnfitType {
    let node: Syntax
    private let kind: String
    private let remedy: String

    /// The first such part of a type; `nil` if there is none.
    init?(in type: some SyntaxProtocol) {
        let node = Syntax(type)
        if let word = node.as(SomeOrAnyTypeSyntax.self)?.someOrAnySpecifier.text {
            self.init(node: node, kind: "'\(word)' type", remedy: "name the concrete type")
        } else if node.is(FunctionTypeSyntax.self) {
            self.init(node: node, kind: "function", remedy: "use its result")
        } else if let tuple = node.as(TupleTypeSyntax.self), tuple.elements.count != 1 {
            self.init(node: node, kind: "tuple", remedy: "use a structure, or its parts")
        } else if node.as(IdentifierTypeSyntax.self).map({ ["Any", "AnyObject"].contains($0.name.text) }) == true {
            self.init(node: node, kind: "value of any type", remedy: "name the concrete type")
        } else {
            for child in node.children(viewMode: .sourceAccurate) {
                guard let unfit = UnfitType(in: child) else { continue }
                self = unfit
                return
            }
            return nil
        }
    }

    private init(node: Syntax, kind: String, remedy: String) {
        self.node = node
        self.kind = kind
        self.remedy = remedy
    }

    var asParameter: String { "a \(kind) can't be part of a key; \(remedy)" }
    var asReturn: String { "a \(kind) can't be stored; \(remedy)" }
}
