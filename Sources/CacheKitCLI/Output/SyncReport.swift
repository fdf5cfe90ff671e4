import CacheKit
import CacheKitCore
import Foundation

/// What all reports of `cachekit sync` have in common (docs/operations.md).
enum SyncReport {
    /// Grows when a field changes its meaning or goes; new ones may come under the same number.
    static let schema = 1

    /// A moment as `2026-01-31T12:30:45Z`.
    static func time(_ time: Timestamp) -> MessagePackValue {
        // Beyond these years no formatter is of one mind with another.
        let bounded = min(max(time.milliseconds, 0), 253_402_300_799_000)
        return .string(Date(timeIntervalSince1970: Double(bounded / 1000)).formatted(.iso8601))
    }

    /// Whole seconds since a moment, never negative.
    static func seconds(since time: Timestamp) -> Int64 {
        max(time.duration(to: SystemClock().now()).wholeMilliseconds / 1000, 0)
    }

    /// How long ago, for people.
    static func ago(_ time: Timestamp) -> String {
        let seconds = seconds(since: time)
        return switch seconds {
        case ..<120: "\(seconds) s ago"
        case ..<7200: "\(seconds / 60) min ago"
        case ..<172_800: "\(seconds / 3600) h ago"
        default: "\(seconds / 86_400) days ago"
        }
    }

    /// Version and time of a version.
    static func version(_ version: Version) -> MessagePackValue {
        .string(version.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    /// What is before the first colon; `nil` for a key without one.
    static func namespace(_ key: CacheKey) -> MessagePackValue {
        key.string.firstIndex(of: ":").map { .string(String(key.string[..<$0])) } ?? .nil
    }

    /// Writes one line of a list.
    static func line(_ fields: [(String, MessagePackValue)]) {
        let entries = ([("schema", .int(Int64(schema)))] + fields).map {
            MessagePackValue.Entry(key: $0.0, value: $0.1)
        }
        StandardOutput.write(MessagePackValue.map(entries).json + [0x0A])
    }

    static func map(_ fields: [(String, MessagePackValue)]) -> MessagePackValue {
        .map(fields.map { MessagePackValue.Entry(key: $0.0, value: $0.1) })
    }
}

extension ReviewedRow {
    /// What the row is, for people.
    var text: String { isTombstone ? "delete" : "put of \(byteCount) bytes" }

    /// Fields of a row.
    var fields: [(String, MessagePackValue)] {
        [
            ("kind", .string(isTombstone ? "delete" : "put")), ("bytes", .int(Int64(byteCount))),
            ("version", version == .unknown ? .nil : SyncReport.version(version)),
            ("stamped_at", version == .unknown ? .nil : SyncReport.time(version.time)),
            ("expires_at", SyncReport.time(expiresAt)),
        ]
    }
}
