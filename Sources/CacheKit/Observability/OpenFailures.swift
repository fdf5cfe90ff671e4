import CacheKitCore
import Synchronization

/// Entries that could not be opened, by reason.
final class OpenFailures: Sendable {
    private let authentication = Atomic<Int>(0)
    private let envelope = Atomic<Int>(0)
    private let decoding = Atomic<Int>(0)
    private let tampered = Atomic<Int>(0)

    /// Counts an error if it says that bytes could not be opened.
    func count(_ error: CacheError) {
        switch error.code {
        case .authenticationFailed, .wrongMasterKey: authentication.count()
        case .invalidEnvelope: envelope.count()
        case .decoding: decoding.count()
        case .tamperedStore, .damagedStore: tampered.count()
        default: break
        }
    }

    var statistics: OpenFailureStatistics {
        OpenFailureStatistics(
            authentication: authentication.value, envelope: envelope.value, decoding: decoding.value,
            tampered: tampered.value)
    }
}

/// Entries that could not be opened, by reason.
public struct OpenFailureStatistics: Sendable, Equatable {
    /// Sealed bytes that did not authenticate: another key, tenant, cache key or mode, or altered.
    public var authentication = 0
    /// Envelopes that were not well formed.
    public var envelope = 0
    /// Documents that were not well formed, or did not fit the type asked for.
    public var decoding = 0
    /// Rows of the local store that did not authenticate, or a file that is damaged.
    public var tampered = 0
}
