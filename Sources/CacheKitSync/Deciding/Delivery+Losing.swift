import CacheKit
import CacheKitCore

/// How what the remote holds takes the place of changes that lost.
extension Delivery {
    /// What the remote holds in the place of changes that lost.
    mutating func inspected(
        _ views: [RemoteView], at now: Timestamp,
        checking: (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) {
        guard views.count == asked.count else {
            failure = CacheError(.internalFault, "the remote store answered for another number of keys")
            return
        }
        for (index, view) in zip(asked, views) {
            guard case .inspect(let loss) = items[index].phase else { continue }
            let winner = Self.winner(items[index].change, view.entry, at: now, checking)
            items[index].phase = .resolve(
                Resolution(
                    sequence: items[index].change.entry.sequence, winner: winner,
                    version: view.version, loss: loss))
        }
    }

    /// The value, if it can be opened; else nothing that lasts, so that the next read asks the remote.
    static func winner(
        _ change: Change, _ entry: RemoteEntry?, at now: Timestamp,
        _ checking: (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) -> LocalChange {
        guard let entry, let value = try? checking(change.key, entry.value) else {
            return LocalChange(key: change.key, value: nil, form: .plain, mode: change.entry.mode, expiresAt: now)
        }
        let end = now.advanced(by: entry.remaining ?? value.timeToLive)
        return LocalChange(
            key: change.key, value: entry.value, form: value.form, mode: value.mode,
            expiresAt: end.advanced(by: value.keepsStale), staleAt: end)
    }

    /// Which rows were replaced; the others had been written anew.
    mutating func resolved(_ replaced: [Bool]) {
        guard replaced.count == asked.count else {
            failure = CacheError(.internalFault, "the local store answered for another number of resolutions")
            return
        }
        for (index, isReplaced) in zip(asked, replaced) {
            guard case .resolve(let resolution) = items[index].phase else { continue }
            items[index].phase = .done(isReplaced ? .lost(resolution.loss) : .superseded)
        }
    }
}
