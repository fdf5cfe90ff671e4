/// A JSON value, and on which lines the names of its members stand.
package struct LocatedJSON: Sendable {
    /// The value.
    package let value: MessagePackValue
    private let lines: [String: Int]

    /// Reads one JSON value, as ``MessagePackValue/init(json:)`` does.
    ///
    /// - Throws: ``CacheError/Code/decoding``, with the line where it stands.
    package init(_ bytes: [UInt8]) throws(CacheError) {
        var reader = JSONReader(bytes, notingMembers: true)
        do throws(CacheError) {
            value = try reader.document()
        } catch {
            throw CacheError(error.code, "line \(Self.line(of: reader.position, in: bytes)): \(error.message)")
        }
        lines = (reader.memberPositions ?? [:]).mapValues { Self.line(of: $0, in: bytes) }
    }

    /// The line of a member's name, from 1 on; by its path with dots.
    package func line(of path: String) -> Int { lines[path] ?? 1 }

    private static func line(of position: Int, in bytes: [UInt8]) -> Int {
        1 + bytes.prefix(position).count { $0 == UInt8(ascii: "\n") }
    }
}
