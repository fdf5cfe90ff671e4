internal import CacheKit
internal import CacheKitCore

// What follows from the replies of a batch, or from their absence.
extension ClusterCall {
    mutating func take(_ batch: Batch) {
        busy.remove(batch.key)
        switch batch.result {
        case .success(let replies):
            for (unit, part) in zip(batch.units, batch.parts) {
                guard let found = Redirection.first(in: replies[part], from: batch.key.endpoint) else {
                    decode(replies[part], unit)
                    continue
                }
                redirect(unit, found.redirection, found.text)
            }
        case .failure(let error):
            for unit in batch.units {
                var unit = unit
                take(topology.note(confirmed: error, of: batch.key, &unit.route), unit)
            }
        }
    }

    private mutating func redirect(_ unit: Unit, _ redirection: Redirection, _ text: String) {
        var unit = unit
        let isSplit: Bool
        switch redirection {
        case .ask, .tryAgain: isSplit = unit.indices.count > 1 && unit.route.target != .replica
        case .moved, .notReady, .malformed: isSplit = false
        }
        guard isSplit else { return take(topology.note(redirection, text, &unit.route), unit) }
        // Alone, each key is found: where the slot is, or, once that says so, where it goes.
        let step = topology.note(separating: redirection, &unit.route)
        for index in unit.indices {
            take(step, Unit(indices: [index], route: unit.route, alternative: unit.alternative))
        }
    }

    mutating func take(_ step: ClusterRoute.Step, _ unit: Unit) {
        switch step {
        case .again: enqueue(unit, topology.map.known, isRetry: true)
        case .wait(let duration): sleeping.append((.now + duration, unit))
        case .fail(let error): fail(unit, error)
        }
    }

    private mutating func decode(_ replies: ArraySlice<RESPValue>, _ unit: Unit) {
        let operation = unit.alternative ?? self.operation
        if let alternative = operation.alternative(after: replies) {
            var unit = unit
            unit.alternative = alternative
            return enqueue(unit, topology.map.known, isRetry: true)
        }
        var decoded: [Operation.Output] = []
        do throws(CacheError) {
            try operation.decode(replies, of: elements.only(unit.indices), into: &decoded)
        } catch {
            return fail(unit, error)
        }
        for (index, output) in zip(unit.indices, decoded) {
            outputs[index] = output
            guard let next = successors[index] else { continue }
            // Not its predecessor's slot: strings can be equal in other bytes.
            enqueue(self.unit(next, HashSlot(of: operation.key(of: elements[next]))), topology.map.known)
        }
    }

    private mutating func fail(_ unit: Unit, _ error: CacheError) {
        guard operation.output(after: error) != nil, error.code != .cancelled, error.code != .shutdown else {
            ending = ending ?? error
            return
        }
        for index in unit.indices {
            failures[index] = error
            // Those after it were not sent: they could overtake it.
            var next = successors[index]
            while let later = next {
                failures[later] = .redisNotSent(error)
                next = successors[later]
            }
        }
    }

    /// When to look at those that wait, if nothing is set to do so by then.
    mutating func nextWake() -> ContinuousClock.Instant? {
        guard let wake = sleeping.lazy.map(\.until).min() else { return nil }
        if let timer, timer <= wake { return nil }
        timer = wake
        return wake
    }

    mutating func wake(_ instant: ContinuousClock.Instant) {
        if timer == instant { timer = nil }
        // A cancelled task does not sleep.
        guard !Task.isCancelled else {
            ending = ending ?? .redisCancelled()
            return
        }
        let now = ContinuousClock.now
        let due = sleeping.filter { $0.until <= now }
        sleeping.removeAll { $0.until <= now }
        for entry in due { enqueue(entry.unit, topology.map.known, isRetry: true) }
    }

    func collect() throws(CacheError) -> [Operation.Output] {
        if let ending { throw ending }
        // Nothing was answered: this is how calls to one server fail, too.
        if failures.count == elements.count, let worst = failures.values.max(by: { $0.openness < $1.openness }) {
            throw worst
        }
        var collected: [Operation.Output] = []
        collected.reserveCapacity(elements.count)
        for index in elements.indices {
            guard let output = outputs[index] ?? failures[index].flatMap({ operation.output(after: $0) }) else {
                throw CacheError(.internalFault, "a call to the Redis Cluster ended without an answer for each key")
            }
            collected.append(output)
        }
        return collected
    }
}

extension CacheError {
    /// How open the outcome is.
    fileprivate var openness: Int {
        switch code {
        case .mayHaveBeenApplied: 2
        case .remoteTimeout: 1
        default: 0
        }
    }
}
