import Logging

/// What a long-running command's cache has to say, from a notice on: one line each on standard error.
struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    /// A logger that writes there.
    static func logger(_ level: Logger.Level = .notice) -> Logger {
        Logger(label: "cachekit") { _ in StandardErrorLog(logLevel: level) }
    }

    private init(logLevel: Logger.Level) {
        self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, own in own }
        let details = all.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        let line = "cachekit: \(event.level): \(event.message)\(details.isEmpty ? "" : " (\(details))")"
        StandardError.write(line.split(whereSeparator: \.isNewline).joined(separator: " "))
    }
}
