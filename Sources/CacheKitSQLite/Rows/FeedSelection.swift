internal import CacheKit

/// Which rows the feed is to give.
enum FeedSelection {
    /// Of one origin, or of both for `nil`.
    case origin(EntryOrigin?)
    /// Written here and not set aside; whoever asks ends at the watermark.
    case settled
}
