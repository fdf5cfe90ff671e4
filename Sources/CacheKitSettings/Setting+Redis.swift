import CacheKitCore
import CacheKitRedis

extension Setting {
    private static let pem = SettingForm<String>.text("the path of a PEM file", example: "/etc/app/redis.pem")

    static let redis: [Setting] = [
        Setting(
            "redis.url", as: "redis", words: "an address such as redis://user:password@host:6379/0, rediss:// for TLS",
            example: "rediss://cache.internal:6379/0", isPrivate: true,
            "where Redis is; a password is safest in the variable", read: { $0.redis.url?.description },
            write: { settings, text in
                do throws(CacheError) {
                    settings.redis.move(to: .success(try RedisURL(text)))
                    return nil
                } catch {
                    return "can't be used: \(error.message)"
                }
            }),
        Setting(
            "redis.ca", optional: \.redisTLS.authorities, as: "redis.tls", pem, isPrivate: true,
            "the authorities that a server's certificate must come from; those of the system unless set"),
        Setting(
            "redis.cert", optional: \.redisTLS.certificate, as: "redis.tls", pem, isPrivate: true,
            "the client certificate"),
        Setting(
            "redis.key", optional: \.redisTLS.key, as: "redis.tls", pem, isPrivate: true,
            "its key, without a passphrase"),
        Setting(
            "redis.server_name", optional: \.redisTLS.serverName, as: "redis.tls.serverName",
            .text("a name", example: "cache.internal"), isPrivate: true,
            "the name that certificates must have, in the place of the host's"),
        Setting(
            "redis.minimum_tls", optional: \.redisTLS.minimumVersion, as: "redis.tls.minimumVersion",
            .oneOf([("1.2", RedisTLS.Version.tls12), ("1.3", .tls13)]), "the oldest version that is spoken"),
        Setting(
            "redis.connect_timeout", \.redis.connectTimeout, as: "redis.connectTimeout", .duration,
            "resolving, connecting and logging in together"),
        Setting(
            "redis.command_timeout", \.redis.commandTimeout, as: "redis.commandTimeout", .duration,
            "waiting for replies"),
        Setting(
            "redis.maximum_commands_in_flight", \.redis.maximumCommandsInFlight, as: "redis.maximumCommandsInFlight",
            .count, "commands not answered yet; callers beyond wait"),
        Setting(
            "redis.maximum_bytes_in_flight", \.redis.maximumBytesInFlight, as: "redis.maximumBytesInFlight", .bytes,
            "bytes of them"),
        Setting(
            "redis.maximum_waiting_callers", \.redis.maximumWaitingCallers, as: "redis.maximumWaitingCallers", .count,
            "callers that wait; further ones are refused"),
        Setting(
            "redis.large_value_bytes", \.redis.largeValueBytes, as: "redis.largeValueBytes",
            SettingForm.bytes.orNone(example: "none"), "larger values go over a second connection"),
        Setting(
            "redis.maximum_reply_bytes", \.redis.maximumReplyBytes, as: "redis.maximumReplyBytes",
            SettingForm.bytes.orNone(),
            "the largest value in a reply; none is the cache's own limit and 64K"),
        Setting(
            "redis.initial_backoff", \.redis.initialBackoff, as: "redis.initialBackoff", .duration,
            "bound of the first wait before connecting again"),
        Setting(
            "redis.maximum_backoff", \.redis.maximumBackoff, as: "redis.maximumBackoff", .duration,
            "bound of any such wait"),
        Setting(
            "redis.reads_from_replicas", \.redis.readsFromReplicas, as: "redis.readsFromReplicas", .flag,
            "replicas of a Cluster answer reads, which may be old"),
        Setting(
            "redis.breaker_threshold", \.redis.breakerThreshold, as: "redis.breakerThreshold", .count,
            "failures in a row that open the circuit breaker"),
        Setting(
            "redis.client_name", \.redis.clientName, as: "redis.clientName",
            .text("printable ASCII without blanks", example: "checkout"), isPrivate: true, "what `CLIENT LIST` shows"),
        Setting(
            "redis.allows_link_local", \.redis.allowsLinkLocal, as: "redis.allowsLinkLocal", .flag,
            "whether link-local and cloud metadata addresses may be connected to"),
        Setting(
            "redis.followed_prefixes", \.redis.followedPrefixes, as: "redis.followedPrefixes", .list, isPrivate: true,
            "only keys that begin so are heard of when others change them; empty for all"),
    ]
}
