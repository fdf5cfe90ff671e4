import CacheKitCore
import Logging

/// Getting to know of removals: what file and remote have of markers, taken in, carried on, and mended.
extension Cache {
    /// Some markers of one namespace, asked for at one moment.
    private struct MarkerQuestion {
        var scope: RemovalScope
        var marker: RemovalMarker
        var moment: RemovalScope.Moment
        var part: RemovalMarker.Part { marker.part }
        var key: CacheKey { marker.key }
        /// What the file has of it.
        var row: StoredEntry?
        var held: UInt64 = 0
        /// What the remote has; `nil` where it was not asked, or did not answer.
        var found: UInt64?
        /// Whether the file's row is on its way to the remote.
        var isPending = false
    }

    /// How long what was learned counts where nobody would tell of a later removal.
    static let unheardKnowledge: Duration = .seconds(1)
    /// The same while the remote does not answer: a question that has to wait for it is not asked at every turn.
    static let unansweredKnowledge: Duration = .seconds(5)
    /// Removals that go on arriving must not keep a reader asking.
    private static let questionsPerRead = 3

    /// Whether a value was removed, after asking for what is not known.
    func isRemoved(_ attributes: ValueAttributes, _ scope: RemovalScope) async throws(CacheError) -> Bool {
        for _ in 0..<Self.questionsPerRead {
            switch scope.standing(attributes, uptime: clock.uptime, now: clock.now) {
            case .alive: return false
            case .removed: return true
            case .unknown: try await learn(scope.unknown(for: attributes, uptime: clock.uptime, now: clock.now))
            }
        }
        return scope.standing(attributes, uptime: clock.uptime, now: clock.now) == .removed
    }

    /// Asks the stores for markers; those who ask for the same at the same time share one question.
    func learn(_ parts: [(scope: RemovalScope, part: RemovalMarker.Part)]) async throws(CacheError) {
        guard !parts.isEmpty else { return }
        let markers = parts.map { RemovalMarker($0.scope.name, $0.part) }
        do {
            try await markerReads.run(markers) { try await self.ask(parts) }
        } catch {
            throw CacheError(wrapping: error)
        }
    }

    private func ask(_ parts: [(scope: RemovalScope, part: RemovalMarker.Part)]) async throws(CacheError) {
        var questions = parts.map { scope, part in
            MarkerQuestion(scope: scope, marker: RemovalMarker(scope.name, part), moment: scope.moment)
        }
        let following = remote?.following
        try await readHeld(&questions)
        let hasAnswered = try await readRemote(&questions)
        let validity = validity(following, hasAnswered: hasAnswered)
        for question in questions {
            question.scope.raise(question.part, to: max(question.held, question.found ?? 0))
        }
        // Of the moments that a scope was asked for at, the first.
        for asked in Dictionary(grouping: questions, by: { ObjectIdentifier($0.scope) }).values {
            asked[0].scope.know(asked.map(\.part), asked: asked[0].moment, validity)
        }
        await takeIn(questions.filter { ($0.found ?? 0) > $0.held })
        await mend(questions, hasAnswered: hasAnswered)
    }

    private func readHeld(_ questions: inout [MarkerQuestion]) async throws(CacheError) {
        guard let local else { return }
        let rows = try await local.read(questions.map(\.key))
        let now = clock.now()
        for (index, row) in rows.enumerated() {
            guard let row else { continue }
            questions[index].row = row
            if let value = row.value, row.isLive(at: now) {
                questions[index].held = markerStamp(
                    value, row.form, questions[index].marker, questions[index].scope, now)
            }
        }
        guard remote != nil, rows.contains(where: { $0?.origin == .local }) else { return }
        let watermark = try await local.watermark()
        for (index, row) in rows.enumerated() {
            questions[index].isPending = row.map { $0.origin == .local && $0.sequence > watermark } ?? false
        }
    }

    /// Says whether the remote has answered; without one, nothing more is to be known.
    private func readRemote(_ questions: inout [MarkerQuestion]) async throws(CacheError) -> Bool {
        guard let remote else { return true }
        let keys = questions.map(\.key)
        let now = clock.now()
        do {
            let entries = try await local == nil ? remote.read(keys) : remote.inspect(keys).map(\.entry)
            for (index, entry) in entries.enumerated() {
                questions[index].found =
                    entry.map {
                        markerStamp($0.value, nil, questions[index].marker, questions[index].scope, now)
                    } ?? 0
            }
            return true
        } catch  where error.isRemoteAway || error.isRefusal {
            // What the file has counts. No read of a caller has failed by this.
            return false
        }
    }

    /// The stamp of a marker; 0 for one that does not open: whoever can put that there can delete it, and a key that was
    /// retired sealed no value that still opens.
    ///
    /// - Parameter form: `nil` for bytes of the remote, which say it themselves.
    func markerStamp(
        _ bytes: [UInt8], _ form: ValueForm?, _ marker: RemovalMarker, _ scope: RemovalScope, _ now: Timestamp
    ) -> UInt64 {
        do throws(CacheError) {
            let key = marker.key
            var form = form
            if form == nil { form = try sealer.recognise(bytes, key: key, mode: .native) }
            let entry = MemoryEntry(
                bytes: bytes, form: form ?? .plain, mode: .native, expiresAt: now, staleAt: now, writtenAt: .zero,
                sequence: .zero)
            let stamp = scope.weigh(
                try sealer.opened(entry, key: key).attributes.stamp, of: marker.part, at: now, stamps)
            stamps.observe(stamp, at: now)
            return stamp
        } catch {
            counters.openFailures.count(error)
            configuration.logger.warning(
                "a removal's marker does not open and is passed over; remove the namespace or tag again if that was not meant",
                metadata: ["error": "\(error)"])
            return 0
        }
    }

    private func validity(_ following: RemoteFollowing?, hasAnswered: Bool) -> RemovalScope.Validity {
        let isRun = lifecycle.isRun
        switch following {
        case nil where isRun, .active? where isRun: return .untilTold
        // Hearing again begins with being told that anything may have changed.
        case .lost? where isRun && !hasAnswered: return .untilTold
        default:
            return .until(clock.uptime() + (hasAnswered ? Self.unheardKnowledge : Self.unansweredKnowledge))
        }
    }

    /// Keeps what the remote has in the file, so that it counts while the remote is away.
    private func takeIn(_ questions: [MarkerQuestion]) async {
        guard let local, let remote, !questions.isEmpty else { return }
        let asked = questions.enumerated().map { index, question in
            let hash = Hash128(question.key)
            return RemoteQuestion(
                index: index, key: question.key, hash: hash, ticket: memory.shard(hash).ticket(hash),
                row: question.row.map { RemoteQuestion.Row(entry: $0, isKnownGone: false) })
        }
        do throws(CacheError) {
            _ = try await check(asked, local, remote, clock.now())
        } catch {
            configuration.logger.warning(
                "a removal that the remote knows was not kept in the local store", metadata: ["error": "\(error)"])
        }
    }

    /// Writes again what is known here and missing, or older, where others look for it.
    private func mend(_ questions: [MarkerQuestion], hasAnswered: Bool) async {
        for question in questions {
            let known = question.scope.stamp(of: question.part)
            let isHeld = local == nil || question.held >= known
            let isFound = remote == nil || (question.found ?? 0) >= known
            question.scope.confirm(question.part, known == 0 || isFound)
            guard known > 0 else { continue }
            // What is on its way arrives, or is found missing the next time.
            let isOnItsWay = question.isPending && isHeld
            let isLost = remote != nil && hasAnswered && !isFound && !isOnItsWay
            let isUnheld = !isHeld && (remote == nil || !hasAnswered || question.isPending)
            guard isLost || isUnheld else { continue }
            do throws(CacheError) {
                try await write([(question.part, known)], question.scope)
            } catch {
                configuration.logger.warning(
                    "a removal that was lost elsewhere could not be written again", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Sees to it that what was removed here is known to the stores, and what they know here: also where nobody reads.
    func confirmRemovalsInBackground() async {
        while !Task.isCancelled, !lifecycle.isShutDown {
            do { try await clock.sleep(for: .seconds(1)) } catch { return }
            await confirmRemovals()
        }
    }

    /// Asks for what is known and may be missing elsewhere, and mends it.
    func confirmRemovals() async {
        for scope in registry.removals {
            let parts = scope.toConfirm(atMost: Self.confirmationsPerStep, uptime: clock.uptime)
            guard !parts.isEmpty else { continue }
            // A failure says that a store is away; it is asked again the next time.
            try? await learn(parts.map { (scope, $0) })
        }
    }

    private static let confirmationsPerStep = 256
}

extension NamespaceRegistry {
    /// Keys have changed elsewhere: markers among them are asked for again.
    func doubtRemovals(_ keys: some Sequence<CacheKey>) {
        for key in keys where key.isMarker {
            guard let marker = RemovalMarker(key) else { continue }
            removals(of: marker.namespace)?.doubt(marker.part)
        }
    }

    /// Anything may have changed.
    func doubtAllRemovals() {
        for scope in removals { scope.doubt() }
    }
}
