public import CacheKitCore

extension RedisConfiguration {
    /// What is wrong with it, all of it; nothing is opened, connected to or read for that.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        if case .failure(let error) = address { problems.append(ConfigurationProblem(text: error.message)) }
        let timeouts = Duration.milliseconds(1) ... .seconds(600)
        for (name, value) in [("connectTimeout", connectTimeout), ("commandTimeout", commandTimeout)] {
            problems.require(timeouts.contains(value), name, text: "must be from 1 ms to 10 minutes")
        }
        let commands = 1...1_048_576
        problems.require(
            commands.contains(maximumCommandsInFlight), "maximumCommandsInFlight", text: "must be from 1 to 1,048,576")
        problems.require(
            (1024...1 << 30).contains(maximumBytesInFlight), "maximumBytesInFlight", text: "must be from 1 KiB to 1 GiB"
        )
        problems.require(
            (0...1_000_000).contains(maximumWaitingCallers), "maximumWaitingCallers",
            text: "must be from 0 to 1,000,000")
        problems.require(
            (1024...512 << 20).contains(maximumReplyBytes ?? 1024), "maximumReplyBytes",
            text: "must be from 1 KiB to 512 MiB, or left out")
        problems.require(
            (Duration.milliseconds(1) ... .seconds(1)).contains(initialBackoff), "initialBackoff",
            text: "must be from 1 ms to 1 s")
        problems.require(timeouts.contains(maximumBackoff), "maximumBackoff", text: "must be from 1 ms to 10 minutes")
        problems.require(
            followedPrefixes.count <= 64 && followedPrefixes.allSatisfy { (1...1024).contains($0.utf8.count) },
            "followedPrefixes", text: "must be at most 64, each of 1 to 1,024 bytes; leave empty for all keys")
        problems.require(
            (4096...512 << 20).contains(largeValueBytes ?? 4096), "largeValueBytes",
            text: "must be from 4 KiB to 512 MiB, or nil")
        problems.require((1...100).contains(breakerThreshold), "breakerThreshold", text: "must be from 1 to 100")
        problems.require(
            clientName.utf8.count <= 256 && clientName.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "clientName",
            text: "must be printable ASCII without blanks, at most 256 bytes")
        return problems + contradictions
    }

    /// What does not go with the address.
    private var contradictions: [ConfigurationProblem] {
        guard case .success(let url) = address else { return [] }
        var problems: [ConfigurationProblem] = []
        problems.require(
            tls == nil || url.usesTLS, "tls", text: "needs an address that asks for TLS; use rediss://")
        problems.require(
            !readsFromReplicas || url.topology == .cluster, "readsFromReplicas",
            text: "needs a Cluster, whose replicas it is about; use redis+cluster://")
        return problems + (tls?.problems.map { $0.within("tls") } ?? [])
    }

    /// Why the files that TLS needs can't be used; `nil` if they can, or nothing needs them. Reads them.
    package var tlsFailure: String? {
        guard case .success(let url) = address, url.usesTLS, tls?.problems.isEmpty ?? true else { return nil }
        do throws(CacheError) {
            _ = try TLSContext(tls ?? RedisTLS())
            return nil
        } catch {
            return error.message
        }
    }
}
