import SwiftSyntax

/// A look-up waits and fails: the function has to be `async throws`, of any error.
enum EffectsCheck {
    static func run(_ function: FunctionDeclSyntax, _ findings: inout Findings) {
        let signature = function.signature
        let effects = signature.effectSpecifiers
        let isAsync = effects?.asyncSpecifier?.tokenKind == .keyword(.async)
        let asyncWord = TokenSyntax.keyword(.async, trailingTrivia: .space)
        let plainThrows = ThrowsClauseSyntax(throwsSpecifier: .keyword(.throws, trailingTrivia: .space))

        guard let throwing = effects?.throwsClause else {
            let missing = isAsync ? "throws" : "async throws"
            var mended = effects ?? FunctionEffectSpecifiersSyntax()
            if !isAsync { mended.asyncSpecifier = asyncWord }
            mended.throwsClause = plainThrows
            findings.add(
                Problem("notThrowing", "a cached function is '\(missing)': a look-up may wait, and may fail"),
                at: function.name, "add '\(missing)'", replace: signature,
                with: signature.with(\.effectSpecifiers, mended))
            return
        }
        if !isAsync, let effects {
            findings.add(
                Problem("notAsync", "a cached function is 'async': a look-up may wait for a disk or a network"),
                at: function.name, "add 'async'", replace: signature,
                with: signature.with(\.effectSpecifiers, effects.with(\.asyncSpecifier, asyncWord)))
        }
        if throwing.throwsSpecifier.tokenKind == .keyword(.rethrows) {
            findings.add(
                Problem("rethrows", "a cached function can't rethrow: a look-up may fail, too; it is 'throws'"),
                at: throwing, "replace 'rethrows' by 'throws'", replace: throwing, with: plainThrows)
        } else if let type = throwing.type, !["any Error", "any Swift.Error"].contains(type.trimmedDescription) {
            findings.add(
                Problem(
                    "typedThrows",
                    "a cached function throws any error: its own and those of the cache; leave the type out"),
                at: type, "remove the error's type", replace: throwing, with: plainThrows)
        }
    }
}
