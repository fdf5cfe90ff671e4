import CacheKitCore
import Synchronization

/// What is known of the removals of one namespace: the latest of all of it, the latest of any tag, and those of single tags.
///
/// A stamp that is known stays known and only grows. That it is the latest is known until something says that there may be a later
/// one, or for a while where nobody would say so. Reading costs two atomic loads where nothing was removed.
final class RemovalScope: Sendable {
    /// What removals mean for a value.
    enum Standing {
        case alive
        case removed
        /// Markers have to be asked for first; see ``RemovalScope/unknown(for:uptime:now:)``.
        case unknown
    }

    /// How long what was learned counts.
    enum Validity: Sendable {
        /// Until something says otherwise: whatever changes is heard of.
        case untilTold
        case until(Duration)

        fileprivate var milliseconds: Int64 {
            switch self {
            case .untilTold: .max
            case .until(let uptime): max(1, min(uptime.wholeMilliseconds, .max - 1))
            }
        }
    }

    /// Counts what made knowledge old, so that an answer can be told to be older than that.
    typealias Moment = UInt64

    private struct Tag {
        var stamp: UInt64 = 0
        var knownUntil: Int64 = 0
    }

    private struct State {
        var moment: Moment = 0
        var enclosing: [RemovalScope] = []
        var tags: [TagHash: Tag] = [:]
        /// What has tags and is not newer is removed.
        var tagFloor: UInt64 = 0
        /// What was decided here to be written, perhaps by several at once.
        var claims: [RemovalMarker.Part: UInt64] = [:]
        /// Markers that the remote has not been seen to have.
        var unconfirmed: Set<RemovalMarker.Part> = []
    }

    /// Tags of which a removal is known, or that there is none; past it they are asked for again.
    static let maximumTags = 4096

    let name: String
    /// Whether there is a store that may know more; otherwise what was removed here is all.
    private let hasStores: Bool
    private let allStamp = Atomic<UInt64>(0)
    private let tagStamp = Atomic<UInt64>(0)
    /// Milliseconds of uptime; 0 for nothing known, the greatest number for as long as nothing else is told.
    private let knownUntil: Atomic<Int64>
    private let isNested = Atomic<Bool>(false)
    private let hasMet: Atomic<Bool>
    private let foreseen = ForeseenRemovals()
    private let growth = Atomic<UInt64>(0)
    private let state = Mutex(State())

    init(name: String, hasStores: Bool) {
        self.name = name
        self.hasStores = hasStores
        knownUntil = Atomic(hasStores ? 0 : .max)
        hasMet = Atomic(!hasStores)
    }

    // MARK: Reading

    /// What the removals of this namespace and of those around it mean for a value.
    func standing(_ attributes: ValueAttributes, uptime: () -> Duration, now: () -> Timestamp) -> Standing {
        let own = ownStanding(attributes, uptime, now)
        guard isNested.load(ordering: .relaxed), own != .removed else { return own }
        var standing = own
        for scope in state.withLock({ $0.enclosing }) {
            switch scope.ownStanding(attributes, uptime, now) {
            case .removed: return .removed
            case .unknown: standing = .unknown
            case .alive: break
            }
        }
        return standing
    }

    private func ownStanding(
        _ attributes: ValueAttributes, _ uptime: () -> Duration, _ now: () -> Timestamp
    ) -> Standing {
        let all = allStamp.load(ordering: .acquiring)
        if attributes.stamp <= all, all != 0 { return .removed }
        if foreseen.removes(attributes, [.all] + attributes.tags.map { .tag($0) }, now) { return .removed }
        var standing = isKnown(uptime) ? Standing.alive : .unknown
        if areTagsAsked(attributes, now) {
            switch tagStanding(attributes, uptime) {
            case .removed: return .removed
            case .unknown: standing = .unknown
            case .alive: break
            }
        }
        return standing
    }

    private func tagStanding(_ attributes: ValueAttributes, _ uptime: () -> Duration) -> Standing {
        state.withLock { state in
            if attributes.stamp <= state.tagFloor, state.tagFloor != 0 { return .removed }
            var standing = Standing.alive
            for tag in attributes.tags {
                let known = state.tags[tag] ?? Tag()
                if attributes.stamp <= known.stamp, known.stamp != 0 { return .removed }
                if hasStores, !Self.counts(known.knownUntil, uptime) { standing = .unknown }
            }
            return standing
        }
    }

    /// Whether a tag of a value may have been removed since.
    private func areTagsAsked(_ attributes: ValueAttributes, _ now: () -> Timestamp) -> Bool {
        guard !attributes.tags.isEmpty else { return false }
        return attributes.stamp <= tagStamp.load(ordering: .acquiring)
            || foreseen.removes(attributes, [.anyTag], now)
    }

    private func isKnown(_ uptime: () -> Duration) -> Bool {
        Self.counts(knownUntil.load(ordering: .acquiring), uptime)
    }

    private static func counts(_ until: Int64, _ uptime: () -> Duration) -> Bool {
        until == .max || until != 0 && until > uptime().wholeMilliseconds
    }

    /// Whether nothing was ever removed here or around, and that is known: then no value needs to be opened for it.
    func isUntouched(uptime: () -> Duration) -> Bool {
        chain.allSatisfy { scope in
            scope.allStamp.load(ordering: .acquiring) == 0 && scope.tagStamp.load(ordering: .acquiring) == 0
                && scope.isKnown(uptime)
        }
    }

    /// The markers that have to be asked for before it can be told what removals mean for a value.
    func unknown(
        for attributes: ValueAttributes, uptime: () -> Duration, now: () -> Timestamp
    ) -> [(scope: RemovalScope, part: RemovalMarker.Part)] {
        chain.flatMap { scope -> [(scope: RemovalScope, part: RemovalMarker.Part)] in
            var parts: [RemovalMarker.Part] = scope.isKnown(uptime) ? [] : [.all, .anyTag]
            if scope.areTagsAsked(attributes, now) {
                parts += scope.state.withLock { state in
                    attributes.tags.filter { !Self.counts(state.tags[$0]?.knownUntil ?? 0, uptime) }.map { .tag($0) }
                }
            }
            return parts.map { (scope, $0) }
        }
    }

    /// This one and the namespaces around it.
    var chain: [RemovalScope] { [self] + (isNested.load(ordering: .relaxed) ? state.withLock { $0.enclosing } : []) }

    /// Grows with every removal here or around that becomes known: a load from before it is not for callers after it.
    var generation: UInt64 { chain.reduce(0) { $0 &+ $1.growth.load(ordering: .acquiring) } }

    // MARK: Knowing

    /// Taken before markers are asked for.
    var moment: Moment { state.withLock { $0.moment } }

    /// Whether the stamps in the stores of this node were met, so that new ones lie above them.
    var isMet: Bool { hasMet.load(ordering: .acquiring) }

    /// Whether those of all namespaces that count for a value were met.
    var canStamp: Bool {
        isMet && (!isNested.load(ordering: .relaxed) || state.withLock { $0.enclosing }.allSatisfy(\.isMet))
    }

    /// They were met, in a question that was asked at `moment`.
    func met(asked moment: Moment) {
        state.withLock { if $0.moment == moment { hasMet.store(true, ordering: .releasing) } }
    }

    /// A removal is known, or that it is not later than this.
    func raise(_ part: RemovalMarker.Part, to stamp: UInt64) {
        let hasGrown: Bool
        switch part {
        case .all: hasGrown = allStamp.max(stamp, ordering: .acquiringAndReleasing).oldValue < stamp
        case .anyTag: hasGrown = tagStamp.max(stamp, ordering: .acquiringAndReleasing).oldValue < stamp
        case .tag(let tag):
            hasGrown = state.withLock { state in
                if state.tags.count >= Self.maximumTags, state.tags[tag] == nil { forgetTags(&state) }
                defer { state.tags[tag, default: Tag()].stamp = max(state.tags[tag]?.stamp ?? 0, stamp) }
                return state.tags[tag]?.stamp ?? 0 < stamp
            }
        }
        if hasGrown { growth.wrappingAdd(1, ordering: .acquiringAndReleasing) }
    }

    /// Stores know them still. Without any, all that has tags and is not newer is removed with them.
    private func forgetTags(_ state: inout State) {
        if !hasStores { state.tagFloor = tagStamp.load(ordering: .acquiring) }
        state.tags = [:]
        state.unconfirmed = state.unconfirmed.filter { $0 == .all || $0 == .anyTag }
    }

    /// What is known of a part.
    func stamp(of part: RemovalMarker.Part) -> UInt64 {
        switch part {
        case .all: allStamp.load(ordering: .acquiring)
        case .anyTag: tagStamp.load(ordering: .acquiring)
        case .tag(let tag): state.withLock { $0.tags[tag]?.stamp ?? 0 }
        }
    }

    /// The stores were asked for parts at `moment`: what is known of these is the latest, unless something was told since. That of
    /// the namespace and that of any tag are known together or not at all.
    func know(_ parts: [RemovalMarker.Part], asked moment: Moment, _ validity: Validity) {
        state.withLock { state in
            guard state.moment == moment else { return }
            for case .tag(let tag) in parts {
                if state.tags.count >= Self.maximumTags, state.tags[tag] == nil { forgetTags(&state) }
                state.tags[tag, default: Tag()].knownUntil = validity.milliseconds
            }
            guard parts.contains(.all), parts.contains(.anyTag) else { return }
            knownUntil.store(validity.milliseconds, ordering: .releasing)
            hasMet.store(true, ordering: .releasing)
        }
    }

    /// There may be a later removal than is known.
    func doubt(_ part: RemovalMarker.Part? = nil) {
        guard hasStores else { return }
        state.withLock { state in
            state.moment += 1
            hasMet.store(false, ordering: .releasing)
            if case .tag(let tag) = part {
                state.tags[tag]?.knownUntil = 0
            } else {
                knownUntil.store(0, ordering: .releasing)
            }
            if part == nil { for tag in state.tags.keys { state.tags[tag]?.knownUntil = 0 } }
        }
    }

    /// What a stamp counts as; see ``ForeseenRemovals``.
    func weigh(_ stamp: UInt64, of part: RemovalMarker.Part, at now: Timestamp, _ clock: StampClock) -> UInt64 {
        foreseen.weigh(stamp, of: part, at: now, clock)
    }

    // MARK: Writing

    /// Says that a removal is about to be written; gives the latest of all that were.
    @discardableResult
    func claim(_ part: RemovalMarker.Part, _ stamp: UInt64) -> UInt64 {
        state.withLock { state in
            if state.claims.count >= Self.maximumTags { state.claims = [:] }
            let latest = max(stamp, state.claims[part] ?? 0)
            state.claims[part] = latest
            return latest
        }
    }

    /// Whether the remote was seen to have a marker.
    func confirm(_ part: RemovalMarker.Part, _ isConfirmed: Bool) {
        state.withLock { state in
            if isConfirmed {
                state.unconfirmed.remove(part)
            } else if state.unconfirmed.count < Self.maximumTags {
                state.unconfirmed.insert(part)
            }
        }
    }

    /// Parts of which something was removed here, and nobody has seen that the remote, or whoever shares the file, knows. With one
    /// of the namespace's two, the other, as they are known together.
    func toConfirm(atMost limit: Int, uptime: () -> Duration) -> [RemovalMarker.Part] {
        guard hasStores else { return [] }
        let isDoubtful = !isKnown(uptime)
        let isTouched =
            allStamp.load(ordering: .acquiring) != 0 || tagStamp.load(ordering: .acquiring) != 0
        return state.withLock { state in
            var tags = state.unconfirmed
            let isUnconfirmed = tags.remove(.all) != nil
            let areTagsUnconfirmed = tags.remove(.anyTag) != nil
            for (tag, known) in state.tags where known.stamp != 0 && !Self.counts(known.knownUntil, uptime) {
                guard tags.count < limit else { break }
                tags.insert(.tag(tag))
            }
            let isWanted = isUnconfirmed || areTagsUnconfirmed || isDoubtful && isTouched
            return Array(((isWanted ? [.all, .anyTag] : []) + tags).prefix(limit))
        }
    }

    // MARK: Nesting

    /// Two namespaces are declared: the one whose name begins with the other's and a colon lies in that one.
    static func nest(_ one: RemovalScope?, _ other: RemovalScope?) {
        guard let one, let other else { return }
        if one.name.utf8.starts(with: "\(other.name):".utf8) { one.lie(in: other) }
        if other.name.utf8.starts(with: "\(one.name):".utf8) { other.lie(in: one) }
    }

    private func lie(in scope: RemovalScope) {
        state.withLock { $0.enclosing.append(scope) }
        isNested.store(true, ordering: .releasing)
    }
}
