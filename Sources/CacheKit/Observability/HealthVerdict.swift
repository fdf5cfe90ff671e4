/// What all of a cache's health comes to.
public enum HealthVerdict: String, Sendable {
    /// Every tier does its part.
    case healthy
    /// It reads and writes, and something is not as it should be.
    case degraded
    /// Writes fail, or would be lost.
    case failing
}

extension CacheHealth {
    /// What it all comes to.
    public var verdict: HealthVerdict {
        if case .unavailable = local.state { return .failing }
        // Without a file, writes go to the remote alone.
        if case .absent = local.state, case .unavailable = remote.state { return .failing }
        if writeError != nil { return .failing }
        return warnings.isEmpty ? .healthy : .degraded
    }

    /// Why, in a sentence.
    public var reason: String {
        switch verdict {
        case .healthy: "every tier answers"
        case .degraded: warnings.first ?? ""
        case .failing:
            if case .unavailable(let error) = local.state {
                "the local store does not answer (\(error))"
            } else if case .absent = local.state, case .unavailable(let error) = remote.state {
                "the remote does not answer, and there is no local store that would keep writes (\(error))"
            } else {
                writeError.map { "writes fail (\($0))" } ?? ""
            }
        }
    }
}
