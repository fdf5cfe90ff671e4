import CacheKit

extension Setting {
    private static let share = SettingForm<Double>(
        words: "a number such as 0.25", example: "0.25",
        parse: { text in text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E } ? Double(text) : nil },
        text: { "\($0)" })

    static let loading: [Setting] = [
        Setting(
            "loading.stale_while_revalidate", \.cache.loading.staleWhileRevalidate,
            as: "cache.loading.staleWhileRevalidate", .duration,
            "for how long after its end a value is served while it is replaced"),
        Setting(
            "loading.stale_if_error", \.cache.loading.staleIfError, as: "cache.loading.staleIfError", .duration,
            "for how long after its end a value is served if loading fails"),
        Setting(
            "loading.eager_refresh", \.cache.loading.eagerRefresh, as: "cache.loading.eagerRefresh", share.orNone(),
            "the share of its life after which a value is loaded ahead"),
        Setting(
            "loading.soft_deadline", \.cache.loading.softDeadline, as: "cache.loading.softDeadline",
            SettingForm.duration.orNone(), "how long a caller waits where a stale value may be served"),
        Setting(
            "loading.hard_deadline", \.cache.loading.hardDeadline, as: "cache.loading.hardDeadline", .duration,
            "how long a load may take"),
        Setting(
            "loading.retry_pause", \.cache.loading.retryPause, as: "cache.loading.retryPause", .duration,
            "after a failed load nobody tries again for so long while a stale value is served"),
        Setting(
            "loading.negative_ttl", \.cache.loading.negativeTTL, as: "cache.loading.negativeTTL",
            SettingForm.duration.orNone(), "how long it is remembered that there is no such value"),
        Setting(
            "loading.ttl_jitter", \.cache.loading.ttlJitter, as: "cache.loading.ttlJitter", share,
            "the largest share by which a life is shortened at random"),
        Setting(
            "loading.is_sliding", \.cache.loading.isSliding, as: "cache.loading.isSliding", .flag,
            "each read lets a value's life begin anew"),
        Setting(
            "loading.sliding_limit", \.cache.loading.slidingLimit, as: "cache.loading.slidingLimit",
            SettingForm.duration.orNone(), "how long such a value lives at the most"),
        Setting(
            "loading.on_failure", \.cache.loading.onFailure, as: "cache.loading.onFailure",
            .oneOf([("share_error", LoadingPolicy.FailurePolicy.shareError), ("load_themselves", .loadThemselves)]),
            "what callers do who waited for a load that failed"),
        Setting(
            "loading.is_one_per_file", \.cache.loading.isOnePerFile, as: "cache.loading.isOnePerFile", .flag,
            "of all processes on the file one at a time loads a key"),
        Setting(
            "loading.is_one_per_fleet", \.cache.loading.isOnePerFleet, as: "cache.loading.isOnePerFleet", .flag,
            "of all nodes on Redis one at a time loads a key"),
        Setting(
            "loading.load_elsewhere_timeout", \.cache.loading.loadElsewhereTimeout,
            as: "cache.loading.loadElsewhereTimeout", .duration, "how long a caller waits for a load elsewhere"),
    ]
}
