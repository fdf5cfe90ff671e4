public import CacheKitCore

/// What the rows of a file tell of removals by namespace and tag, for whoever goes through the rows without reading key by key.
///
/// Only what the file holds counts: a removal that the remote knows and this file has not heard of is not among them. As large as the
/// removals are many.
public struct HeldRemovals: Sendable {
    private struct Stamps {
        var all: UInt64 = 0
        var tags: [TagHash: UInt64] = [:]
    }

    private let now: Timestamp

    private var namespaces: [String: Stamps] = [:]

    /// None, of rows that are gone through about now.
    public init(now: Timestamp = SystemClock().now()) { self.now = now }

    /// Whether no row tells of any, so that no value has to be opened for it.
    public var isEmpty: Bool { namespaces.isEmpty }

    mutating func takeIn(_ marker: RemovalMarker, _ stamp: UInt64) {
        switch marker.part {
        case .all: namespaces[marker.namespace, default: Stamps()].all = stamp
        case .tag(let tag): namespaces[marker.namespace, default: Stamps()].tags[tag] = stamp
        // Says nothing that the tags' own do not.
        case .anyTag: break
        }
    }

    /// Whether a value was removed. Takes a look-up for each colon in the key, and one for each of the value's tags.
    func removes(_ key: CacheKey, _ attributes: ValueAttributes) -> Bool {
        let name = key.string
        return name.utf8.indices.contains { place in
            guard name.utf8[place] == UInt8(ascii: ":"), let stamps = namespaces[String(name[..<place])] else {
                return false
            }
            return removes(stamps.all, attributes.stamp)
                || attributes.tags.contains { removes(stamps.tags[$0] ?? 0, attributes.stamp) }
        }
    }

    private func removes(_ removal: UInt64, _ stamp: UInt64) -> Bool {
        guard removal != 0 else { return false }
        // A removal that a wrong clock made counts from when it is heard of, but for what lies as far ahead.
        guard StampClock.isBeyondSkew(removal, at: now), !StampClock.isBeyondSkew(stamp, at: now) else {
            return stamp <= removal
        }
        return Int64(stamp >> 16) <= now.milliseconds
    }
}

extension ValueSealer {
    /// Takes in what a row tells, if it is a removal's marker that opens.
    func takeIn(_ key: CacheKey, _ row: StoredEntry, at now: Timestamp, to removals: inout HeldRemovals) {
        guard let marker = RemovalMarker(key), row.isLive(at: now), let entry = MemoryEntry(row),
            let stamp = try? opened(entry, key: key).attributes.stamp
        else { return }
        removals.takeIn(marker, stamp)
    }
}

extension Cache {
    /// What the local store's rows tell of removals. Reads the names of all keys: linear in the rows.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without a local store; ``CacheError/Code/missingMasterKey`` where a relay key
    ///   is to open values.
    public func heldRemovals() async throws(CacheError) -> HeldRemovals {
        try lifecycle.requireOpen()
        try sealer.requireKey()
        guard let local else { throw Self.nothingToList }
        var removals = HeldRemovals(now: clock.now())
        var position = ChangeSequence.zero
        while true {
            let page = try await local.changedKeys(after: position, limit: 512)
            let markers = page.keys.map(\.key).filter(\.isMarker)
            for (key, row) in zip(markers, markers.isEmpty ? [] : try await local.read(markers)) {
                if let row { sealer.takeIn(key, row, at: clock.now(), to: &removals) }
            }
            guard page.through > position else { return removals }
            position = page.through
        }
    }

    /// Whether a listed row was removed by namespace or tag. Opens the value where something was removed at all; one that does not open
    /// was not removed.
    public func isRemoved(_ entry: LocalEntry, by removals: HeldRemovals) -> Bool {
        guard !removals.isEmpty, entry.mode == .native, let stored = MemoryEntry(entry.row), !stored.isNegative,
            let attributes = try? sealer.opened(stored, key: entry.key).attributes
        else { return false }
        return removals.removes(entry.key, attributes)
    }
}

extension DocumentOpener {
    /// Takes in what a row tells of removals, if anything.
    public func takeIn(_ change: Change, to removals: inout HeldRemovals) {
        sealer.takeIn(change.key, change.entry, at: SystemClock().now(), to: &removals)
    }
}
