internal import CacheKit
internal import CacheKitCore

extension Reader {
    /// Changes overwritten above the watermark.
    func supersededCount() throws(CacheError) -> Int { Int(clamping: try meta.superseded(finder.codec.keys)) }

    /// Who sends, and how far it got.
    func sendingState() throws(CacheError) -> SendingState {
        let node = try clock().node
        let watermark = try watermark().sequence
        let note = try meta.sent(finder.codec.keys)
        return SendingState(
            node: node, watermark: ChangeSequence(watermark),
            sentThrough: ChangeSequence(max(watermark, note?.sequence(of: node) ?? 0)),
            marks: try MarksTable.marks(of: node, connection, finder.codec.keys),
            fence: note.flatMap { $0.fence.isEmpty ? nil : $0.fence })
    }
}
