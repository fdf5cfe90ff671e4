import SwiftSyntax

/// Which attributes and modifiers of a function its peers take over: what decides isolation and availability.
struct Modifiers {
    private let attributes: [AttributeSyntax]
    private let modifiers: [DeclModifierSyntax]

    init(_ function: FunctionDeclSyntax) {
        attributes = function.attributes.compactMap { $0.as(AttributeSyntax.self) }
        modifiers = Array(function.modifiers)
    }

    /// Of `$name`, which is not asynchronous.
    func ofCall(access: String) -> [String] {
        var words = isolation + (access.isEmpty ? [] : [access]) + typeWide
        if isNonisolated || attributes.contains(where: { $0.name == "concurrent" }) { words.append("nonisolated") }
        return words
    }

    /// Of the function with the body as it was written.
    var ofUncached: [String] {
        let concurrent = attributes.filter { $0.name == "concurrent" }.map(\.trimmedDescription)
        let nonisolated = modifiers.filter { $0.kind == .keyword(.nonisolated) }.map(\.trimmedDescription)
        return concurrent + isolation + ["private"] + typeWide + nonisolated
    }

    private var isNonisolated: Bool { modifiers.contains { $0.kind == .keyword(.nonisolated) } }

    /// `@available`, and global actors, which are known by their name's ending: other attributes may be macros.
    private var isolation: [String] {
        attributes.filter { $0.name == "available" || $0.name.hasSuffix("Actor") }.map(\.trimmedDescription)
    }

    private var typeWide: [String] {
        modifiers.contains { [.keyword(.static), .keyword(.class)].contains($0.kind) } ? ["static"] : []
    }
}

extension AttributeSyntax {
    fileprivate var name: String { attributeName.trimmedDescription }
}
