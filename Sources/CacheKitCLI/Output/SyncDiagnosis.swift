import CacheKit
import CacheKitCore

/// What `sync status` makes of what it found: whether it moves, what to do next, and the exit code.
struct SyncDiagnosis {
    /// How the backlog does.
    enum Motion: String {
        /// Nothing waits.
        case clean
        /// Somebody pushes, and changes got through lately, or have not waited for long.
        case moving
        /// Changes wait, and nobody pushes.
        case waiting
        /// Somebody pushes, and nothing gets through.
        case stalled
    }

    /// What Redis said, where it was asked.
    enum Redis {
        case notGiven
        case answers(evictsRecords: Bool?, clockOffset: Duration)
        case fails(CacheError)
    }

    /// So long nothing may get through before it is called stalled; the engine's own alarm goes by the same.
    static let patience = Duration.seconds(60)
    /// A machine's clock that is further from Redis' is worth a word.
    static let toleratedOffset = Duration.seconds(5)

    var backlog: Backlog
    var deadLetters: Int
    var parked: Int
    var conflicts: Int
    var isPushed: Bool
    var progress: SendingProgress
    var redis: Redis
    var now: Timestamp

    /// The last failure, unless changes got through after it.
    var currentFailure: SendingProgress.Failure? {
        guard backlog.changes > 0, let failure = progress.lastFailure else { return nil }
        return progress.movedAt.map { $0 > failure.at } == true ? nil : failure
    }

    var motion: Motion {
        if backlog.changes == 0 { return .clean }
        guard isPushed else { return .waiting }
        let lately = now.advanced(by: .zero - Self.patience)
        if let failure = currentFailure, failure.at < now.advanced(by: .seconds(-10)) { return .stalled }
        let isFresh = backlog.oldest.map { $0 > lately } ?? true
        return isFresh || progress.movedAt.map { $0 > lately } == true ? .moving : .stalled
    }

    /// How the command ends: the reason why changes wait comes before what was set aside.
    var exit: ExitStatus {
        if case .fails(let error) = redis { return ExitStatus(error) }
        if deadLetters + parked > 0 { return .deadLettersLeft }
        if backlog.changes > 0 { return .partial }
        return conflicts > 0 ? .conflictsLeft : .clean
    }

    /// What to do, the most urgent first; never empty.
    var nextSteps: [String] {
        var steps: [String] = []
        switch redis {
        case .fails(let error) where ExitStatus(error) == .keyOrAuthentication:
            steps.append("mend user or password in --redis or CACHEKIT_REDIS_URL, then run: cachekit sync push")
        case .fails(let error) where ExitStatus(error) == .redisUnreachable:
            steps.append(
                "bring Redis back, or mend the address; changes are safe in the file; then run: cachekit sync push")
        case .fails(let error): steps.append("mend what Redis says (\(error.message)), then run: cachekit sync push")
        case .answers(let evicts, _):
            if let step = stepForBacklog { steps.append(step) }
            if evicts == true {
                steps.append(
                    "keep Redis from evicting records of versions, or changes are lost against older ones: redis-cli CONFIG SET maxmemory-policy volatile-lru"
                )
            }
        case .notGiven: if let step = stepForBacklog { steps.append(step) }
        }
        if deadLetters > 0 {
            steps.append(
                "see what Redis refused and why: cachekit sync dead-letters list; then retry or drop it")
        }
        if parked > 0 {
            steps.append("see what was set aside and why: cachekit sync parked list; then send or drop it")
        }
        if conflicts > 0 {
            steps.append("see which changes lost: cachekit sync conflicts list; then: cachekit sync conflicts resolve")
        }
        if case .answers(_, let offset) = redis, abs(offset.wholeMilliseconds) > Self.toleratedOffset.wholeMilliseconds
        {
            steps.append("set this machine's clock; until then changes are stamped by Redis' time: timedatectl status")
        }
        return steps.isEmpty ? ["nothing waits"] : steps
    }

    private var stepForBacklog: String? {
        var isGiven = true
        if case .notGiven = redis { isGiven = false }
        switch motion {
        case .clean: return nil
        case .moving: return "changes are being sent; look again with: cachekit sync status"
        case .waiting:
            if currentFailure?.code == CacheError.Code.remoteAuthentication.description, !isGiven {
                return "Redis refused the user or password; mend it, give --redis and run: cachekit sync push"
            }
            return isGiven ? "run: cachekit sync push" : "give --redis and run: cachekit sync push"
        case .stalled:
            guard let failure = currentFailure else {
                return "a process has the lease and sends nothing; restart it, or stop it and run: cachekit sync push"
            }
            switch failure.code {
            case CacheError.Code.remoteAuthentication.description:
                return "the process that pushes is refused: mend its user or password and restart it"
            case CacheError.Code.remoteUnavailable.description, CacheError.Code.remoteTimeout.description:
                return isGiven
                    ? "Redis answers here and not where the process that pushes asks: check its address, or restart it"
                    : "bring Redis back; the process that pushes goes on by itself; to see whether it answers: cachekit sync status --redis URL"
            default: return "the process that pushes fails (\(failure.message)); mend that, it goes on by itself"
            }
        }
    }
}
