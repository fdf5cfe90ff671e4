internal import CacheKit
internal import CacheKitCore

/// The tenant's keys that the file takes no values under any more, as one connection knows them.
///
/// The number that counts retirements lies in the clock, which each change reads anyway: a process that was open before
/// learns of a retirement with its next change, at no cost until then.
struct RetiredKeys {
    private var epoch: UInt64 = 0
    private var fingerprints: Set<KeyFingerprint> = []

    mutating func contains(
        _ form: ValueForm, epoch: UInt64, _ read: () throws(CacheError) -> KeyHistory
    ) throws(CacheError) -> Bool {
        if epoch != self.epoch {
            fingerprints = try read().retired
            self.epoch = epoch
        }
        guard !fingerprints.isEmpty, case .sealed(let fingerprint) = form else { return false }
        return fingerprints.contains(fingerprint)
    }
}
