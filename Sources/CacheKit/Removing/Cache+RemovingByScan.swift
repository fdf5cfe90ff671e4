import CacheKitCore

/// Removing a namespace whose values carry no stamp: key by key.
extension Cache {
    private static let keysPerBatch = 256

    /// Deletes every key that begins so, of the file and then of the remote.
    func removeByScanning(
        _ prefix: String, progress: (Removal) -> Void
    ) async throws(CacheError) -> Removal {
        try requireValues()
        var removal = Removal(deleted: 0, isComplete: false)
        // Memory knows no names. It is filled again from below; alone, it has nothing to tell one namespace from another by.
        defer { memory.removeAll() }
        // Loads of keys that are not there yet are not met by the scan.
        writeMarks.noteAll()
        defer { writeMarks.noteAll() }
        // What is written from now on has higher numbers; the deletes made here do, too.
        let end = try await local?.lastSequence() ?? .zero
        if let local { try await removeHeld(prefix, local, through: end, &removal, progress) }
        if let remote, !Task.isCancelled { try await removeRemote(prefix, remote, since: end, &removal, progress) }
        removal.isComplete = !Task.isCancelled
        return removal
    }

    private func removeHeld(
        _ prefix: String, _ local: any LocalStore, through end: ChangeSequence, _ removal: inout Removal,
        _ progress: (Removal) -> Void
    ) async throws(CacheError) {
        var position = ChangeSequence.zero
        while position < end, !Task.isCancelled {
            let page = try await local.changedKeys(after: position, limit: Self.keysPerBatch)
            guard page.through > position else { return }
            position = page.through
            let keys = page.keys.filter { $0.sequence <= end && $0.key.isRemoved(by: prefix) }.map(\.key)
            guard !keys.isEmpty else { continue }
            let now = clock.now()
            let kept = zip(keys, try await local.read(keys)).filter { $0.1?.isKept(at: now) ?? false }.map(\.0)
            try await delete(kept, &removal, progress)
        }
    }

    private func removeRemote(
        _ prefix: String, _ remote: any RemoteStore, since start: ChangeSequence, _ removal: inout Removal,
        _ progress: (Removal) -> Void
    ) async throws(CacheError) {
        var cursor: RemoteKeyCursor?
        repeat {
            let page = try await remote.keys(withPrefix: prefix, after: cursor)
            cursor = page.next
            // A listing may name a key twice.
            var rest = Array(Set(page.keys.filter { $0.isRemoved(by: prefix) }))[...]
            while !rest.isEmpty, !Task.isCancelled {
                let keys = Array(rest.prefix(Self.keysPerBatch))
                rest = rest.dropFirst(keys.count)
                // What was deleted here a moment ago is there until it is told.
                let isTold = try await isDeleted(keys, since: start)
                try await delete(zip(keys, isTold).filter { !$0.1 }.map(\.0), &removal, progress)
            }
        } while cursor != nil && !Task.isCancelled
    }

    /// Whether the file says of each key that it was deleted here, since a change.
    private func isDeleted(_ keys: [CacheKey], since start: ChangeSequence) async throws(CacheError) -> [Bool] {
        guard let local else { return keys.map { _ in false } }
        return try await local.read(keys).map { row in
            row.map { $0.isTombstone && $0.origin == .local && $0.sequence > start } ?? false
        }
    }

    private func delete(
        _ keys: [CacheKey], _ removal: inout Removal, _ progress: (Removal) -> Void
    ) async throws(CacheError) {
        guard !keys.isEmpty else { return }
        try await remove(keys)
        removal.deleted = (removal.deleted ?? 0) + keys.count
        progress(removal)
    }
}

extension StoredEntry {
    /// Whether a value may still be shown, by whomever: stale, or by those it has not been sent to.
    fileprivate func isKept(at now: Timestamp) -> Bool { !isTombstone && (expiresAt > now || origin == .local) }
}

extension CacheKey {
    /// Locks and markers are no values of anybody's.
    fileprivate func isRemoved(by prefix: String) -> Bool {
        !isMarker && string.utf8.starts(with: prefix.utf8) && !string.hasSuffix(":lock")
    }
}
