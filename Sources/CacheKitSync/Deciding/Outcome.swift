import CacheKit

/// What became of a change: each has exactly one.
enum Outcome: Sendable, Equatable {
    case applied
    /// Another change of its key was committed while it was on its way.
    case superseded
    case lost(Resolution.Loss)
    case expired
    case parked(ParkedChange.Reason)
    case deadLettered(CacheError)

    /// Whether another row stands in the place of the change already, so that no later try meets it again.
    var isFinalHere: Bool {
        switch self {
        case .superseded, .lost: true
        case .applied, .expired, .parked, .deadLettered: false
        }
    }

    /// Whether the change is kept for somebody to decide about.
    var isSetAside: Bool {
        switch self {
        case .parked, .deadLettered: true
        case .applied, .superseded, .lost, .expired: false
        }
    }

    var isParked: Bool { if case .parked = self { true } else { false } }

    static func == (left: Outcome, right: Outcome) -> Bool {
        switch (left, right) {
        case (.applied, .applied), (.superseded, .superseded), (.expired, .expired): true
        case (.lost(let one), .lost(let other)): one == other
        case (.parked(let one), .parked(let other)): one == other
        case (.deadLettered(let one), .deadLettered(let other)): one.code == other.code
        default: false
        }
    }
}

extension SyncOutcomes {
    mutating func count(_ loss: Resolution.Loss) {
        switch loss {
        case .stale: stale += 1
        case .foreign: foreign += 1
        case .absent: absent += 1
        }
    }
}
