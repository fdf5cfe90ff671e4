internal import CacheKit
internal import CacheKitCore

/// How far a node has begun to send, and over which connections; sealed in `meta`.
///
/// Counts under the node id that it names: under another one, nothing of this file was sent.
struct SentNote: Equatable {
    static let name = "sent"
    static let maximumFenceByteCount = 64 << 10

    var node: UInt64
    var sequence: UInt64
    var fence: [UInt8]

    /// Node (8), sequence (8), fence.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: node)
        bytes.append(bigEndian: sequence)
        return bytes + fence
    }

    /// Up to where changes may have reached the remote under a node id.
    func sequence(of node: UInt64) -> UInt64 { node == self.node ? sequence : 0 }
}

extension SentNote {
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16 else { return nil }
        (node, sequence) = bytes.withUnsafeBytes { ($0.bigEndian(at: 0), $0.bigEndian(at: 8)) }
        fence = Array(bytes[16...])
    }
}

extension MetaTable {
    /// What was noted of sending; `nil` if nothing was, as in a file that only older versions wrote.
    func sent(_ keys: FileKeys) throws(CacheError) -> SentNote? {
        guard let bytes = try sealed(SentNote.name, keys) else { return nil }
        guard let note = SentNote(bytes) else { throw OpenedFile.incomplete }
        return note
    }
}
