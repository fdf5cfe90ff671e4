/// Which servers have which slots of a Cluster, as one of its nodes said; a plain value.
struct SlotMap: Sendable, Equatable {
    /// At most so many servers are taken; Redis itself recommends no more than 1,000.
    static let maximumServers = 1_024
    /// At most so many follow one master.
    static let maximumReplicas = 63

    /// A master and who follows it.
    struct Shard: Sendable, Equatable {
        var master: RedisEndpoint
        var replicas: [RedisEndpoint]
    }

    /// In the order of their first slot; a shard that was learned of comes last.
    private(set) var shards: [Shard] = []
    private var indices: [RedisEndpoint: UInt16] = [:]
    /// For each slot the index of its shard.
    private var owners = [UInt16](repeating: Self.nobody, count: HashSlot.count)

    private static let nobody = UInt16.max

    /// A map in which nobody has any slot.
    init() {}

    /// Who has a slot; `nil` while nobody has.
    func shard(of slot: HashSlot) -> Shard? {
        let owner = owners[slot.number]
        return owner == Self.nobody ? nil : shards[Int(owner)]
    }

    /// Every master.
    var masters: [RedisEndpoint] { shards.map(\.master) }

    /// Every replica.
    var replicas: [RedisEndpoint] { shards.flatMap(\.replicas) }

    /// Takes a redirection's word for one slot, until the whole map is asked for again.
    mutating func learn(_ slot: HashSlot, isAt master: RedisEndpoint) {
        guard shard(of: slot)?.master != master, let index = index(of: master) else { return }
        owners[slot.number] = index
    }

    /// Gives slots to a shard.
    ///
    /// - Returns: `false` when one of them belongs to another already, or there are too many servers.
    mutating func assign(_ slots: ClosedRange<Int>, to shard: Shard) -> Bool {
        guard slots.lowerBound >= 0, slots.upperBound < HashSlot.count, let index = index(of: shard.master) else {
            return false
        }
        for replica in shard.replicas where !shards[Int(index)].replicas.contains(replica) {
            guard shards[Int(index)].replicas.count < Self.maximumReplicas else { return false }
            shards[Int(index)].replicas.append(replica)
        }
        for slot in slots {
            guard owners[slot] == Self.nobody else { return false }
            owners[slot] = index
        }
        return true
    }

    private mutating func index(of master: RedisEndpoint) -> UInt16? {
        if let index = indices[master] { return index }
        guard shards.count < Self.maximumServers else { return nil }
        let index = UInt16(shards.count)
        shards.append(Shard(master: master, replicas: []))
        indices[master] = index
        return index
    }
}
