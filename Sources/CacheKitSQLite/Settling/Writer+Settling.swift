internal import CacheKit
internal import CacheKitCore

/// What the writer does inside a transaction for whoever sends.
extension Writer {
    /// The clock as it stands in the open transaction, if that draws from it, else as it stands in the file: who draws nothing
    /// passes over nothing that another process has reserved for itself.
    private func standingClock() throws(CacheError) -> FileClock {
        if let fileClock { return fileClock }
        return try readClock()
    }

    /// Notes that changes up to here may be sent from now on.
    func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) throws(CacheError) {
        guard fence?.count ?? 0 <= SentNote.maximumFenceByteCount else {
            throw CacheError(
                .invalidArgument, "the note of the remote's connections is too long; check the remote store")
        }
        let clock = try standingClock()
        guard sequence.number <= clock.lastSequence else {
            throw CacheError(.invalidArgument, "what is sent can't pass the last change; send what the feed gave")
        }
        let former = try meta.sent(file.keys)
        let note = SentNote(
            node: clock.node, sequence: max(sequence.number, former?.sequence(of: clock.node) ?? 0),
            fence: fence ?? former?.fence ?? [])
        guard note != former else { return }
        try meta.setSealed(SentNote.name, note.encoded, file.keys)
        foundSentThrough = nil
    }

    /// Moves the watermark up, never down and never past the last change, and keeps what else the settlement says.
    ///
    /// - Returns: how many changes it passed that still stood.
    func settle(_ settlement: Settlement) throws(CacheError) -> Int {
        let clock = try standingClock()
        guard settlement.through.number <= clock.lastSequence else {
            throw CacheError(.invalidArgument, "the watermark can't pass the last change; settle what the feed gave")
        }
        let now = self.clock.now()
        for letter in settlement.deadLetters { try self.settlement.insert(letter, now: now) }
        for change in settlement.parked { try self.settlement.insert(change, now: now) }
        if !settlement.deadLetters.isEmpty || !settlement.parked.isEmpty { hasSetAside = true }
        if let marks = settlement.marks { try self.marks.merge(marks, of: clock.node) }
        let former = try readWatermark().sequence
        guard former < settlement.through.number else { return 0 }
        let watermark = Watermark(sequence: settlement.through.number)
        try meta.setSealed("watermark", watermark.encoded, file.keys)
        foundWatermark = watermark
        try noteProgress(at: now)
        evictor.reconsider()
        return try self.settlement.localChanges(after: former, through: watermark.sequence)
    }

    /// Draws another node id; what was sent and acknowledged under the old one is forgotten.
    func reidentify() throws(CacheError) -> UInt64 {
        var clock = try currentClock()
        let former = clock.node
        while clock.node == former { clock.node = FileLocation.drawNode() }
        fileClock = clock
        try meta.delete(SentNote.name)
        foundSentThrough = nil
        try connection.prepare("DELETE FROM marks").run()
        return clock.node
    }
}
