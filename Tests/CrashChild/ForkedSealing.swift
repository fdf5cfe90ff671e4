import CFork
import CacheKitCore
import Foundation

/// Seals with one key in this process and in what is forked from it, and prints the nonces: `<who> <24 hex digits>`.
///
/// Runs before any other thread: what else a forked child of a threaded process may do is not the question here.
func sealInForkedChildren() throws {
    let key = try SealingKey(try SecretBytes.random(count: 32))
    // A context with a prefix and a count under way, for the children to inherit.
    try printNonces(of: key, as: "before", count: 3)
    var children: [pid_t] = []
    for number in 0..<4 {
        let child = ck_fork()
        if child == 0 {
            var status: Int32 = 0
            do {
                try printNonces(of: key, as: "child\(number)", count: 5)
                let grandchild = ck_fork()
                if grandchild == 0 {
                    try printNonces(of: key, as: "grandchild\(number)", count: 5)
                    _exit(0)
                }
                waitpid(grandchild, &status, 0)
            } catch {
                status = 1
            }
            // Not exit: what the parent has yet to run at its end is not the child's.
            _exit(status == 0 ? 0 : 1)
        }
        children.append(child)
        try printNonces(of: key, as: "parent", count: 5)
    }
    for child in children {
        var status: Int32 = 0
        waitpid(child, &status, 0)
        guard child > 0, status == 0 else { throw CacheError(.internalFault, "a forked child failed") }
    }
}

private func printNonces(of key: SealingKey, as who: String, count: Int) throws {
    for _ in 0..<count {
        let sealed = try key.seal(Array(who.utf8), associatedData: [])
        guard try key.open(sealed, associatedData: []) == Array(who.utf8) else {
            throw CacheError(.internalFault, "a forked child's seal does not open")
        }
        let digits = sealed.prefix(12).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        report("\(who) \(digits)")
    }
}
